// Supervisors, on all hosts.

import { h } from "./dom.js";
import { bytes, many, number, percent, time } from "./format.js";
import { totals } from "./overview.js";
import { badge, link } from "./pieces.js";
import { toHost } from "./route.js";
import { part, under } from "./stream.js";
import { figure, filter, picks, table, words } from "./table.js";
import { confirmed, may } from "./verbs.js";

const restarts = (host) => Object.values(host.restarts ?? {}).reduce((sum, n) => sum + n, 0);

export const counts = (given) => Object.entries(given ?? {}).filter(([, n]) => n).map(([name, n]) => `${number(n)} ${name}`).join(", ") || "–";
export const state = (host) => badge(host.state === "serving" ? "good" : "warn", host.state);
const plain = (value) => value ?? "–";

const COLUMNS = [
	words("host", "Host", "minmax(9rem, 1fr)", { cell: (host) => h("div.name",
		link(toHost(host.document), host.host ?? host.document, { class: "open" }), host.trouble && badge("bad", "unreadable", host.trouble)) }),
	figure("pid", "Pid", "Of the supervisor", "5rem", plain),
	words("state", "State", "6rem", { cell: state }),
	figure("running", "Running", "Tasks that run", "5rem"),
	figure("alive", "Workers", "Workers that live", "5rem"),
	figure("queues", "Queues", "", "5rem", number, { minor: true }),
	figure("cpu", "CPU", "Of one CPU, all its processes", "5rem", percent),
	figure("memory", "Memory", "Of its largest process", "6rem", bytes),
	figure("restarts", "Restarts", "Workers that were replaced since it began", "5.5rem", number,
		{ value: restarts, cell: (host) => h("span", { title: counts(host.restarts), class: restarts(host) ? "warn" : null }, number(restarts(host))) }),
	figure("since", "Up", "Since it began", "4.5rem", (at) => time(at, "for")),
	words("release", "Release", "5rem", { minor: true }),
	figure("seen", "Seen", "When it last told of itself", "5.5rem", time, { minor: true }),
];

// What a supervisor can be told, in words.
const VERBS = {
	quiet: ["Quiet", "claims nothing more. What runs goes on"],
	continue: ["Continue", "takes tasks again"],
	grow: ["Grow", "has one worker more for each queue"],
	shrink: ["Shrink", "has one worker fewer for each queue"],
	restart: ["Restart", "starts anew on new code, if that can be loaded"],
	drain: ["Drain", "leaves after its running tasks. Nothing can start it again from here"],
};

export function steering(hosts) {
	const named = hosts.slice(0, 8).map((host) => `${host.host}:${host.pid}`).join(", ") + (hosts.length > 8 ? ` and ${hosts.length - 8} more` : "");
	const tell = (verb) => confirmed({
		title: `${VERBS[verb][0]} ${many(hosts.length, "supervisor")}`,
		text: `${named}: ${hosts.length > 1 ? "each " : ""}${VERBS[verb][1]}.`,
		verb: VERBS[verb][0],
		danger: verb === "drain",
	}, { verb: "host", documents: hosts.map((host) => host.document), do: verb });
	return may() && h("div.buttons", Object.entries(VERBS).map(([verb, [label]]) =>
		h("button", { key: verb, class: verb === "drain" ? "danger" : null, onclick: () => tell(verb) }, label)));
}

export function open() {
	const names = filter("hosts", (host) => [host.host, host.pid, host.state, host.release].join(" "));
	const chosen = may() ? picks() : null;
	const list = table({
		name: "hosts", label: "Hosts", columns: COLUMNS, key: (host) => host.document, sort: "host", pick: chosen, tone: (host) => host.trouble && "bad",
	});
	return {
		view: "hosts",
		parameters: {},
		title: () => "Hosts",
		draw() {
			const all = under("host/");
			const shown = names.rows(all);
			chosen?.keep(all.map((host) => host.document));
			const meant = all.filter((host) => chosen?.has(host.document));
			return [
				h("h1.unseen", "Hosts"),
				totals(part("totals")),
				h("section", { key: "hosts", "aria-label": "Hosts" },
					h("div.toolbar.sticky", h("h2", "Hosts"), names.box(shown.length, all.length),
						meant.length > 0 && [h("span.dim", `${meant.length} chosen:`), steering(meant)]),
					shown.length ? list.draw(shown) : all.length ? h("p.note", "No host is like that.") : nobody()),
			];
		},
	};
}

const nobody = () =>
	h("div.empty", h("p", "No supervisor is seen. Start one for the manager in tasks.py; it is here some seconds later:"),
		h("pre", "python -m woodenwaiter.supervisor tasks --redis redis://localhost:6379/0"));
