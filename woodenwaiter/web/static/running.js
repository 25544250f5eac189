// Tasks that run, of a queue or of a host, with where each is in its code when somebody asks.

import { get } from "./api.js";
import { h, redraw } from "./dom.js";
import { bytes, percent, time } from "./format.js";
import { badge, link, none, panel } from "./pieces.js";
import { toHost, toQueue } from "./route.js";
import { figure, table } from "./table.js";
import { cancel, complain, may } from "./verbs.js";

// `of`: {queue} or {host}, whose tasks they are.
export function runningTasks(of) {
	const traces = new Map(); // by claim: {text, trouble}
	let asking = false;

	async function trace() {
		asking = true;
		redraw();
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
			{ id: "task", label: "Task", width: "minmax(9rem, 1fr)", cell: (task) => [h("code", { title: task.claim }, task.task), task.leaving && badge("", "leaving")] },
			of.queue
				? { id: "host", label: "Host", width: "minmax(7rem, .7fr)", cell: (task) => link(toHost(task.document), task.host) }
				: { id: "queue", label: "Queue", width: "minmax(7rem, .7fr)", cell: (task) => link(toQueue(task.key), task.queue) },
			{ id: "slot", label: "Worker", title: "Which of the queue's workers, and its pid", width: "6.5rem", cell: (task) => `#${task.slot} · ${task.pid}`, minor: true },
			figure("began", "For", "", "4.5rem", (at) => time(at, "for")),
			{ id: "progress", label: "Progress", width: "minmax(8rem, 1fr)", cell: progress, wide: true },
			figure("cpu", "CPU", "Of one CPU", "4rem", percent), figure("memory", "Memory", "", "5rem", bytes),
			may() && { id: "act", label: "", width: "4.5rem", cell: (task) => h("button.quiet", { onclick: () => cancel(task.key ?? of.queue, task.claim, true) }, "Cancel") },
			{ id: "trace", label: "", width: "", whole: true, cell: (task) => shown(task) && h("pre.trace", shown(task).text || shown(task).trouble) },
		].filter(Boolean),
	});

	return {
		draw: (tasks) =>
			panel("Running", tasks.length, [
				tasks.length > 0 && h("button", { disabled: asking, onclick: trace }, asking ? "Asking their hosts…" : "Where are they?"),
				traces.size > 0 && h("button.quiet", { onclick: () => { traces.clear(); redraw(); } }, "Hide traces")],
			tasks.length ? list.draw(tasks) : none("Nothing runs.")),
	};
}

function progress({ fraction, text }) {
	if (fraction === null) return h("bdi", { class: text ? null : "dim" }, text || "–");
	return h("div.progress", { title: text },
		h("progress", { max: 1, value: fraction, "aria-label": "progress" }), h("span", h("b", percent(fraction * 100)), " ", h("bdi", text)));
}
