// Supervisors, on all hosts; and one of them.

import { h } from "./dom.js";
import { bytes, capital, many, now, number, percent, span, time } from "./format.js";
import { totals } from "./overview.js";
import { badge, button, fieldList, figures, heading, link, none, note, notice, panel, startOne } from "./pieces.js";
import { plot } from "./plots.js";
import { runningTasks } from "./queue.js";
import { HOSTS, toHost, toQueue } from "./route.js";
import { part, stream, under } from "./stream.js";
import { column, figure, filter, picks, table, words } from "./table.js";
import { confirmed, may } from "./verbs.js";

const restarts = (host) => Object.values(host.restarts ?? {}).reduce((sum, n) => sum + n, 0);

const counts = (given) => Object.entries(given ?? {}).filter(([, n]) => n).map(([name, n]) => `${number(n)} ${name}`).join(", ") || "–";
const state = (host) => badge(host.state === "serving" ? "good" : "warn", host.state);

const COLUMNS = [
	words("host", "Host", "minmax(9rem, 1fr)", { cell: (host) => h("div.name",
		link(toHost(host.document), host.host ?? host.document, { class: "open" }), host.trouble && badge("bad", "unreadable", host.trouble)) }),
	figure("pid", "Pid", "", "5rem", (pid) => pid ?? "–"),
	words("state", "State", "6rem", { cell: state }),
	figure("running", "Running", "", "5rem"),
	figure("alive", "Workers", "", "5rem"),
	figure("queues", "Queues", "", "5rem", number, { minor: true }),
	figure("cpu", "CPU", "Of one CPU, all its processes", "5rem", percent),
	figure("memory", "Memory", "Of its largest process", "6rem", bytes),
	figure("restarts", "Restarts", "Workers that were replaced since it began", "5.5rem", number,
		{ value: restarts, cell: (host) => h("span", { title: counts(host.restarts), class: restarts(host) ? "warn" : null }, number(restarts(host))) }),
	figure("since", "Up", "Since it began", "4.5rem", (at) => time(at, "for")),
	words("release", "Release", "5rem", { minor: true }),
	figure("seen", "Seen", "When it last told of itself", "5.5rem", time, { minor: true }),
];

const VERBS = {
	quiet: "claims nothing more. What runs goes on",
	continue: "takes tasks again",
	grow: "has one worker more for each queue",
	shrink: "has one worker fewer for each queue",
	restart: "starts anew on new code, if that can be loaded",
	drain: "leaves after its running tasks. Nothing can start it again from here",
};

function steering(hosts) {
	const named = hosts.slice(0, 8).map((host) => `${host.host}:${host.pid}`).join(", ") + (hosts.length > 8 ? ` and ${hosts.length - 8} more` : "");
	const tell = (verb) => confirmed({
		title: `${capital(verb)} ${many(hosts.length, "supervisor")}`,
		text: `${named}: ${hosts.length > 1 ? "each " : ""}${VERBS[verb]}.`,
		verb: capital(verb),
		danger: verb === "drain",
	}, { verb: "host", documents: hosts.map((host) => host.document), do: verb });
	return may() && h("div.buttons", Object.keys(VERBS).map((verb) => button(capital(verb), () => tell(verb), verb === "drain" && "danger")));
}

export function hostsPage() {
	const names = filter("hosts", (host) => [host.host, host.pid, host.state, host.release].join(" "));
	const chosen = may() ? picks() : null;
	const list = table({
		name: "hosts", label: "Hosts", columns: COLUMNS, key: (host) => host.document, sort: "host", pick: chosen, tone: (host) => host.trouble && "bad",
	});
	return {
		view: "hosts",
		title: () => "Hosts",
		draw() {
			const all = under("host/");
			const shown = names.rows(all);
			chosen?.keep(all.map((host) => host.document));
			const meant = all.filter((host) => chosen?.has(host.document));
			return [
				h("h1.unseen", "Hosts"),
				totals(part("totals")),
				panel("Hosts", null, [
					names.box(shown.length, all.length),
					meant.length > 0 && [h("span.dim", `${meant.length} chosen:`), steering(meant)]],
				list(shown, all.length ? h("p.note", "No host is like that.") : !stream.trouble && nobody())),
			];
		},
	};
}

const nobody = () =>
	h("div.empty", h("p", "No supervisor is seen. Start one for the manager in tasks.py; it is here some seconds later:"), startOne());

// One supervisor: what it uses, what it serves, what its workers do, and what happened.

const CREWS = [
	words("queue", "Queue", "minmax(9rem, 1fr)", { cell: (crew) => link(toQueue(crew.key), crew.queue, { class: "open" }) }),
	figure("most", "Workers", "At least and at most", "5.5rem", number, { cell: (crew) => (crew.least === crew.most ? number(crew.most) : `${crew.least}–${crew.most}`) }),
	...["running", "idle", "starting", "quiet", "leaving"].map((id) => figure(id, capital(id), "Workers", "5rem")),
	figure("busy", "Busy", "Time that tasks took, since its supervisor began", "5rem", span),
	figure("cpu", "CPU", "Time of a CPU that its workers used, likewise", "5rem", span),
	column("Did", "minmax(8rem, .7fr)", (crew) => counts(crew.tally), { wide: true }),
	column("Restarts", "minmax(7rem, .6fr)", (crew) => counts(crew.restarts), { wide: true }),
];

export function hostPage({ document }) {
	const running = runningTasks({ host: document });
	const crews = table({ name: "crews", label: "Queues that it serves", columns: CREWS, key: (crew) => crew.key, sort: "queue" });
	const host = () => part(`host/${document}`);
	return {
		view: "host",
		parameters: { host: document },
		title: () => (host() ? `${host().host}:${host().pid}` : "Host"),
		draw() {
			const it = host();
			if (!it) return note("Nothing is seen of this supervisor", "It has left, or its host is gone. ",
				part("successor") && [link(toHost(part("successor")), "It has started anew"), ". "], h("a", { href: HOSTS }, "All hosts"));
			const served = part("crews") ?? [];
			return [
				heading([[HOSTS, "Hosts"]], h("h1", h("bdi", it.host), h("span.dim", ` pid ${it.pid}`), state(it)), steering([it])),
				it.trouble && notice("bad", it.trouble),
				figures([
					["Up", time(it.since, "for")], ["Workers", it.alive], ["Running", it.running], ["CPU", percent(it.cpu)],
					["Largest process", bytes(it.memory)], ["Restarts", counts(it.restarts)], ["Release", it.release], ["Seen", time(it.seen)]]),
				hour(part("hour")),
				panel("Queues that it serves", served.length, null, crews(served, none("None."))),
				running(part("workers") ?? []),
				events(part("events") ?? []),
				it.settings && h("details", h("summary", "Settings"),
					fieldList(Object.entries(it.settings).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]))),
			];
		},
	};
}

function hour(values) {
	if (!values) return null;
	const given = (id, title, more) => ({ id, title, start: Math.floor(now() / 60 - values[id].length) * 60, step: 60, series: [{ tone: "came", area: true, values: values[id], ...more }] });
	return h("section.plots", { "aria-label": "The last hour" },
		plot(given("cpu", "CPU", { name: "of one CPU", form: percent })),
		plot(given("memory", "Largest process", { name: "resident", form: bytes, unit: 2 ** 20 })));
}

const events = (list) =>
	panel("Latest events", null, null,
		list.length ? h("ol.events", list.map((event) =>
			h("li", { key: `${event.at} ${event.text}`, class: event.level }, time(event.at), h("span.level", event.level), h("bdi", event.text))))
			: none("Nothing has happened."));
