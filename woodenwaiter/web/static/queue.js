// One queue: how it is, how its day was, what runs, what comes next, what was thrown away.

import { h } from "./dom.js";
import { between, bytes, number, rate, span, time } from "./format.js";
import { badge, figures, heading, none, note, panel } from "./pieces.js";
import { heatMap, plot } from "./plots.js";
import { HOME, toDead } from "./route.js";
import { runningTasks } from "./running.js";
import { part } from "./stream.js";
import { figure, table, words } from "./table.js";
import { cancel, may, pause, purge, resume, trashes } from "./verbs.js";

export function open({ key }) {
	const running = runningTasks({ queue: key });
	const next = tasks("next", key);
	const delayed = tasks("delayed", key);
	const queue = () => part(`queue/${key}`);
	return {
		view: "queue",
		parameters: { queue: key },
		title: () => queue()?.name ?? "Queue",
		draw() {
			const it = queue();
			if (!it) return missing();
			return [
				heading([[HOME, "Queues"]], h("h1", h("bdi", it.name), it.paused && badge("warn", "paused")), verbs(it)),
				notices(it),
				figures([
					["Waiting", number(it.waiting)], ["Oldest", between(it.oldest)],
					["Running", number(it.running), null, it.claimed !== undefined && `${number(it.claimed)} claimed, some of them in advance`],
					["Delayed", number(it.delayed), null, it.nextDue && `the next one is due in ${span(it.nextDue)}`],
					["In a minute", rate(it.rates?.came)], ["Done a minute", rate(it.rates?.done)],
					["Failed a minute", rate(it.rates?.failed), it.rates?.failed && "bad"],
					["p50", span(it.p50)], ["p99", span(it.p99)], ["Workers", number(it.workers)], ["Empty in", between(it.drained)]]),
				plots(part("day"), part("heat")),
				running.draw(part("running") ?? []),
				first("Next", next, part("next") ?? [], it.waiting, "Nothing waits.", () => purge(it, "tasks", it.waiting)),
				first("Delayed", delayed, part("delayed") ?? [], it.delayed, "Nothing is delayed.", () => purge(it, "delayed", it.delayed)),
				trashes(part("trashes"), key),
			];
		},
	};
}

export const missing = () => note("No such queue", "Nobody has ever served it, and it holds nothing. ", h("a", { href: HOME }, "All queues"));

const verbs = (it) =>
	h("div.buttons",
		h("a.button", { href: toDead(it.key) }, "Dead letters ", h("b", { class: it.dead ? "bad" : null }, number(it.dead))),
		may() && (it.paused ? h("button.main", { onclick: () => resume(it.key) }, "Resume") : h("button", { onclick: () => pause(it) }, "Pause")));

function notices({ paused, trouble, workers }) {
	return [
		trouble && h("p.notice.bad", { key: "trouble" }, trouble),
		paused && h("p.notice.warn", { key: "paused" },
			h("strong", "Paused"), ` by ${paused.who} `, time(paused.since),
			paused.left === null ? ", until somebody resumes it" : `, for ${span(paused.left)} more`, paused.why && [": ", h("bdi", paused.why)]),
		workers === 0 && !paused && h("p.notice.warn", { key: "unserved" },
			h("strong", "No worker takes its tasks."), " Start a supervisor that serves it: ", h("code", "python -m woodenwaiter.supervisor APP")),
	];
}

function plots(day, heat) {
	if (!day) return null;
	const minute = (values) => values.map((value) => (value === null ? null : (value * 60) / day.step));
	const series = (name, more) => ({ name, tone: name, values: minute(day[name]), ...more });
	return h("section.plots", { key: "plots", "aria-label": "The last day" },
		plot({ ...day, id: "rates", title: "Tasks a minute", series: [series("came"), series("done", { area: true }), series("failed", { area: true })] }),
		plot({ ...day, id: "waiting", title: "Waiting", series: [{ name: "waiting", tone: "came", values: day.waiting, form: number, area: true }] }),
		heat && heatMap({ ...heat, id: "heat", title: "Handler times" }));
}

function tasks(name, key) {
	const more = name === "delayed" ? [words("reason", "Why", "minmax(8rem, .8fr)", { wide: true }), figure("due", "Due", "", "6rem", (at) => time(at, "due"))] : [];
	return table({
		name: "tasks", label: `${name} tasks`, key: (task) => task.id, sorts: false,
		columns: [
			{ id: "name", label: "Task", width: "10rem", cell: (task) => h("code", { title: task.name }, task.task) },
			{ id: "payload", label: "Payload", width: "minmax(10rem, 1fr)", wide: true, cell: (task) => h("code.payload", task.payload, !task.whole && "…") },
			figure("size", "Size", "", "5rem", bytes), figure("deliveries", "Tried", "Deliveries that failed", "3.5rem"), ...more,
			may() && { id: "act", label: "", width: "4.5rem", cell: (task) => h("button.quiet", { onclick: () => cancel(key, task.name, false) }, "Cancel") },
		].filter(Boolean),
	});
}

const first = (title, list, found, all, empty, away) =>
	panel(title, all > found.length ? `the first ${found.length} of ${number(all)}` : found.length,
		may() && all > 0 && h("button.quiet", { onclick: away }, "Purge…"),
		found.length ? list.draw(found.map(apart)) : none(empty));

// Tasks with the same payload have the same name until they are delivered.
const apart = (task, place) => ({ ...task, id: `${place} ${task.name}` });
