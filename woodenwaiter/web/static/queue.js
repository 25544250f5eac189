// One queue: how it is, how its day was, what runs, what comes next, what was thrown away.

import { get } from "./api.js";
import { h, redraw } from "./dom.js";
import { between, bytes, capital, number, percent, rate, span, time } from "./format.js";
import { badge, button, figures, heading, link, none, note, notice, panel } from "./pieces.js";
import { heatMap, plot } from "./plots.js";
import { HOME, toDead, toHost, toQueue } from "./route.js";
import { part } from "./stream.js";
import { column, figure, PAYLOAD, table, words } from "./table.js";
import { cancel, complain, may, pause, purge, resume, trashes } from "./verbs.js";

export function queuePage({ key }) {
	const running = runningTasks({ queue: key });
	const next = tasks(key, "next", "tasks", "Nothing waits.");
	const delayed = tasks(key, "delayed", "delayed", "Nothing is delayed.");
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
					["Waiting", it.waiting], ["Oldest", between(it.oldest)],
					["Running", it.running, null, it.claimed !== undefined && `${number(it.claimed)} claimed, some of them in advance`],
					["Delayed", it.delayed, null, it.nextDue && `the next one is due in ${span(it.nextDue)}`],
					["In a minute", rate(it.rates?.came)], ["Done a minute", rate(it.rates?.done)],
					["Failed a minute", rate(it.rates?.failed), it.rates?.failed && "bad"],
					["p50", span(it.p50)], ["p99", span(it.p99)], ["Workers", it.workers], ["Empty in", between(it.drained)]]),
				plots(part("day"), part("heat")),
				running(part("running") ?? []),
				next(it, it.waiting),
				delayed(it, it.delayed),
				trashes(part("trashes"), key),
			];
		},
	};
}

export const missing = () => note("No such queue", "Nobody has ever served it, and it holds nothing. ", h("a", { href: HOME }, "All queues"));

const verbs = (it) =>
	h("div.buttons",
		h("a.button", { href: toDead(it.key) }, "Dead letters ", h("b", { class: it.dead ? "bad" : null }, number(it.dead))),
		may() && (it.paused ? button("Resume", () => resume(it.key), "main") : button("Pause", () => pause(it))));

function notices({ paused, trouble, workers }) {
	return [
		trouble && notice("bad", trouble),
		paused && notice("warn",
			h("strong", "Paused"), ` by ${paused.who} `, time(paused.since),
			paused.left === null ? ", until somebody resumes it" : `, for ${span(paused.left)} more`, paused.why && [": ", h("bdi", paused.why)]),
		workers === 0 && !paused && notice("warn",
			h("strong", "No worker takes its tasks."), " Start a supervisor that serves it: ", h("code", "python -m woodenwaiter.supervisor APP")),
	];
}

function plots(day, heat) {
	if (!day) return null;
	const minute = (values) => values.map((value) => (value === null ? null : (value * 60) / day.step));
	const series = (name, more) => ({ name, tone: name, values: minute(day[name]), ...more });
	return h("section.plots", { "aria-label": "The last day" },
		plot({ ...day, id: "rates", title: "Tasks a minute", series: [series("came"), series("done", { area: true }), series("failed", { area: true })] }),
		plot({ ...day, id: "waiting", title: "Waiting", series: [{ name: "waiting", tone: "came", values: day.waiting, form: number, area: true }] }),
		heat && heatMap({ ...heat, id: "heat", title: "Handler times" }));
}

function tasks(key, name, kind, empty) {
	const more = name === "delayed" ? [words("reason", "Why", "minmax(8rem, .8fr)", { wide: true }), figure("due", "Due", "", "6rem", (at) => time(at, "due"))] : [];
	const list = table({
		name: "tasks", label: `${name} tasks`, key: (task) => task.id, sorts: false,
		columns: [
			column("Task", "10rem", (task) => h("code", { title: task.name }, task.task)),
			PAYLOAD, figure("size", "Size", "", "5rem", bytes), figure("deliveries", "Tried", "Deliveries that failed", "3.5rem"), ...more,
			...cancelling((task) => cancel(key, task.name, false)),
		],
	});
	return (it, all) => {
		// Tasks with the same payload have the same name until they are delivered.
		const found = (part(name) ?? []).map((task, place) => ({ ...task, id: `${place} ${task.name}` }));
		return panel(capital(name), all > found.length ? `the first ${found.length} of ${number(all)}` : found.length,
			may() && all > 0 && button("Purge…", () => purge(it, kind, all), "quiet"),
			list(found, none(empty)));
	};
}

// Tasks that run, of a queue or of a host, with where each is in its code when somebody asks.
// `of`: {queue} or {host}, whose tasks they are.
export function runningTasks(of) {
	const traces = new Map(); // by claim: {text, trouble}
	let asking = false;

	async function trace() {
		asking = true;
		try {
			for (const each of (await get("traces", of)).traces) traces.set(each.claim, each);
		} catch (error) {
			complain(error.message);
		}
		asking = false;
		redraw();
	}

	const shown = (task) => traces.get(task.claim);
	const list = table({
		name: "running", label: "Running tasks", key: (task) => task.claim, sorts: false,
		inputs: (task) => [task, shown(task)],
		columns: [
			column("Task", "minmax(9rem, 1fr)", (task) => [h("code", { title: task.claim }, task.task), task.leaving && badge("", "leaving")]),
			of.queue
				? column("Host", "minmax(7rem, .7fr)", (task) => link(toHost(task.document), task.host))
				: column("Queue", "minmax(7rem, .7fr)", (task) => link(toQueue(task.key), task.queue)),
			column("Worker", "6.5rem", (task) => `#${task.slot} · ${task.pid}`, { title: "Which of the queue's workers, and its pid", minor: true }),
			figure("began", "For", "", "4.5rem", (at) => time(at, "for")),
			column("Progress", "minmax(8rem, 1fr)", progress, { wide: true }),
			figure("cpu", "CPU", "Of one CPU", "4rem", percent), figure("memory", "Memory", "", "5rem", bytes),
			...cancelling((task) => cancel(task.key ?? of.queue, task.claim, true)),
			column("", "", (task) => shown(task) && h("pre.trace", shown(task).text || shown(task).trouble), { whole: true }),
		],
	});

	return (tasks) =>
		panel("Running", tasks.length, [
			tasks.length > 0 && button(asking ? "Asking their hosts…" : "Where are they?", trace, null, { disabled: asking }),
			traces.size > 0 && button("Hide traces", () => traces.clear(), "quiet")],
		list(tasks, none("Nothing runs.")));
}

// The column for that, if there is one.
const cancelling = (act) => (may() ? [column("", "4.5rem", (task) => button("Cancel", () => act(task), "quiet"))] : []);

function progress({ fraction, text }) {
	if (fraction === null) return h("bdi", { class: text ? null : "dim" }, text || "–");
	return h("div.progress", { title: text },
		h("progress", { max: 1, value: fraction, "aria-label": "progress" }), h("span", h("b", percent(fraction * 100)), " ", h("bdi", text)));
}
