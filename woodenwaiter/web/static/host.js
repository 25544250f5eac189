// One supervisor: what it uses, what it serves, what its workers do, and what happened.

import { h } from "./dom.js";
import { bytes, number, now, percent, span, time } from "./format.js";
import { counts, state, steering } from "./hosts.js";
import { figures, heading, link, none, note, panel } from "./pieces.js";
import { plot } from "./plots.js";
import { HOSTS, toQueue } from "./route.js";
import { runningTasks } from "./running.js";
import { part } from "./stream.js";
import { figure, table, words } from "./table.js";

const CREWS = [
	words("queue", "Queue", "minmax(9rem, 1fr)", { cell: (crew) => link(toQueue(crew.key), crew.queue, { class: "open" }) }),
	figure("most", "Workers", "At least and at most", "5.5rem", number, { cell: (crew) => (crew.least === crew.most ? number(crew.most) : `${crew.least}–${crew.most}`) }),
	...["running", "idle", "starting", "quiet", "leaving"].map((id) => figure(id, id[0].toUpperCase() + id.slice(1), "Workers", "5rem")),
	figure("busy", "Busy", "Time that tasks took, since its supervisor began", "5rem", span),
	figure("cpu", "CPU", "Time of a CPU that its workers used, likewise", "5rem", span),
	words("tally", "Did", "minmax(8rem, .7fr)", { wide: true, value: null, cell: (crew) => counts(crew.tally) }),
	words("restarts", "Restarts", "minmax(7rem, .6fr)", { wide: true, value: null, cell: (crew) => counts(crew.restarts) }),
];

export function open({ document }) {
	const running = runningTasks({ host: document });
	const crews = table({ name: "crews", label: "Queues that it serves", columns: CREWS, key: (crew) => crew.key, sort: "queue" });
	const host = () => part(`host/${document}`);
	return {
		view: "host",
		parameters: { host: document },
		title: () => (host() ? `${host().host}:${host().pid}` : "Host"),
		draw() {
			const it = host();
			if (!it) return note("Nothing is seen of this supervisor", "It has left, or its host is gone; one that started anew has another address. ", h("a", { href: HOSTS }, "All hosts"));
			const served = part("crews") ?? [];
			return [
				heading([[HOSTS, "Hosts"]], h("h1", h("bdi", it.host), h("span.dim", ` pid ${it.pid}`), state(it)), steering([it])),
				it.trouble && h("p.notice.bad", { key: "trouble" }, it.trouble),
				figures([
					["Up", time(it.since, "for")], ["Workers", number(it.alive)], ["Running", number(it.running)], ["CPU", percent(it.cpu)],
					["Largest process", bytes(it.memory)], ["Restarts", counts(it.restarts)], ["Release", it.release ?? "–"], ["Seen", time(it.seen)]]),
				hour(part("hour")),
				panel("Queues that it serves", served.length, null, served.length ? crews.draw(served) : none("None.")),
				running.draw(part("workers") ?? []),
				events(part("events") ?? []),
				it.settings && h("details", { key: "settings" }, h("summary", "Settings"),
					h("dl.fields", Object.entries(it.settings).map(([name, value]) => [h("dt", name), h("dd", typeof value === "string" ? value : JSON.stringify(value))]))),
			];
		},
	};
}

function hour(values) {
	if (!values) return null;
	const given = (id, title, more) => ({ id, title, start: Math.floor(now() / 60 - values[id].length) * 60, step: 60, series: [{ tone: "came", area: true, values: values[id], ...more }] });
	return h("section.plots", { key: "hour", "aria-label": "The last hour" },
		plot(given("cpu", "CPU", { name: "of one CPU", form: percent })),
		plot(given("memory", "Memory", { name: "resident", form: bytes, unit: 2 ** 20 })));
}

const events = (list) =>
	panel("Latest events", null, null,
		list.length ? h("ol.events", list.map((event) =>
			h("li", { key: `${event.at} ${event.text}`, class: event.level }, time(event.at), h("span.level", event.level), h("bdi", event.text))))
			: none("Nothing has happened."));
