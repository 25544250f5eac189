// What people do: asked once where it cannot simply be done again, sent, and told how it goes.
// What is under way stands in a corner on every page, whoever has begun it.

import { me, post } from "./api.js";
import { h, redraw, render } from "./dom.js";
import { many, number, span, time } from "./format.js";
import { popUp } from "./keys.js";
import { panel } from "./pieces.js";
import { stream, under } from "./stream.js";

export const may = () => !me.readOnly;

const MINE = "woodenwaiter.jobs";
const mine = new Set(JSON.parse(sessionStorage.getItem(MINE) ?? "[]")); // so that a reload forgets nothing
const closed = new Set();
const notices = [];
const ended = new Map(); // when a job of ours was first seen to be over, milliseconds

// Send it; raises what is wrong with that.
export async function attempt(body) {
	const job = await post(body);
	mine.add(job.id);
	sessionStorage.setItem(MINE, JSON.stringify([...mine].slice(-50)));
	stream.parts.set(`job/${job.id}`, job);
	redraw();
}

// Likewise, and tells it in the corner.
export const act = (body) => attempt(body).catch((error) => complain(error.message));

export function complain(text) {
	notices.push({ id: String(Math.random()), text });
	announce(text);
	redraw();
}

// For those who do not see it.
export function announce(text) {
	document.getElementById("said").textContent = text;
}

// Ask, in a dialog, with fields if there are any: {name, label, value, options|multiline, hint}. What
// was filled in, or null. `check(values)`, which may wait, returns what is wrong with them, in words.
export function ask({ title, text, fields = [], verb, danger = false, check }) {
	return new Promise((resolve) => {
		const dialog = document.createElement("dialog");
		dialog.setAttribute("aria-labelledby", "dialog-title");
		let wrong = "";
		let busy = false;
		let result = null;
		const send = async (event) => {
			event.preventDefault();
			const values = Object.fromEntries(new FormData(event.target));
			busy = true;
			wrong = "";
			show();
			wrong = (await check?.(values)) || "";
			busy = false;
			if (wrong) return show();
			result = values;
			dialog.close();
		};
		const show = () => render(dialog, h("form", { onsubmit: send },
			h("h2", { id: "dialog-title" }, title),
			[text].flat().filter(Boolean).map((line) => h("p", line)),
			fields.map(field),
			h("p.wrong", { role: "alert" }, wrong),
			h("div.buttons",
				h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
				h("button", { class: danger ? "danger" : "main", disabled: busy, autofocus: !fields.length }, verb))));
		show();
		popUp(dialog, () => resolve(result));
	});
}

function field({ name, label, value = "", options, multiline, hint, placeholder }) {
	const given = { name, id: `field-${name}`, placeholder };
	const input = options
		? h("select", given, options.map(([each, text]) => h("option", { value: each, selected: each === value }, text)))
		: multiline
			? h("textarea", { ...given, rows: 14, spellcheck: "false" }, value)
			: h("input", { ...given, value, autocomplete: "off" });
	return h("div.field", h("label", { for: `field-${name}` }, label), input, hint && h("p.dim", hint));
}

// Ask whether that is to be done, and do it.
export async function confirmed(question, body) {
	const values = await ask(question);
	return values && act(typeof body === "function" ? body(values) : body);
}

// ---- verbs that more than one page has ----

const SPANS = [["", "until somebody resumes it"], ["300", "5 min"], ["900", "15 min"], ["3600", "1 h"], ["14400", "4 h"], ["86400", "1 d"]];

export const pause = (queue) =>
	confirmed({
		title: `Pause ${queue.name}`,
		text: "No worker of any host claims its tasks. What runs is finished, and producers go on.",
		fields: [
			{ name: "seconds", label: "For how long", value: "", options: SPANS },
			{ name: "why", label: "Why", placeholder: "for those who wonder" },
		],
		verb: "Pause",
	}, ({ seconds, why }) => ({ verb: "pause", queue: queue.key, seconds: seconds ? Number(seconds) : null, why }));

export const resume = (key) => act({ verb: "resume", queue: key });

export function purge(queue, kind, count) {
	return confirmed({
		title: `Purge ${queue.name}`,
		text: `This moves ${many(count, kind === "delayed" ? "delayed task" : "waiting task")}, or all that there are by then, to the trash of ${queue.name}. `
			+ "From there they can be put back for a day. What runs goes on.",
		verb: `Move ${number(count)} to the trash`,
		danger: true,
	}, { verb: "purge", queue: queue.key, kind });
}

const KINDS = { tasks: "task", delayed: "delayed task", letters: "dead letter" };

// The trashes of a queue, with what can be done with them.
export function trashes(list, key) {
	if (!list?.length) return null;
	return panel("Trash", null, null,
		h("ul.lines", list.map((each) => {
			const what = many(each.number, KINDS[each.kind]);
			return h("li", { key: each.name },
				h("span", h("strong", what), " ", h("span.dim", "thrown away ", time(each.since), ` by ${each.who}; kept for `,
					each.left === null ? "a day" : `${span(each.left)} more`)),
				may() && h("span.buttons",
					h("button", { onclick: () => act({ verb: "restore", queue: key, trash: each.name }) }, "Put back"),
					h("button.quiet", { onclick: () => emptied(each, what, key) }, "Delete")));
		})));
}

const emptied = (trash, what, key) =>
	confirmed({ title: "Delete for good", text: `This deletes ${what} for good. It cannot be undone.`, verb: `Delete ${what}`, danger: true },
		{ verb: "empty", queue: key, trash: trash.name });

export const cancel = (key, task, runs) =>
	confirmed({
		title: "Cancel this task",
		text: [runs ? "Its handler gets TaskCancelled, and its worker is killed 5 s later if that does not help." : "It does not run any more.",
			"It becomes a dead letter with the reason “cancelled”, and can be requeued from there.", h("code", task)],
		verb: "Cancel the task",
		danger: true,
	}, { verb: "cancel", queue: key, task });

// ---- what goes on ----

const DOING = {
	requeue: "Putting back dead letters", drop: "Dropping dead letters", purge: "Purging", restore: "Putting back", empty: "Emptying the trash",
	pause: "Pausing", resume: "Resuming", cancel: "Cancelling", host: "Telling hosts", look: "Counting dead letters",
};

function shown(job) {
	if (closed.has(job.id) || (job.verb === "look" && job.state !== "failed")) return false;
	if (job.state === "running") return true;
	if (!mine.has(job.id)) return false;
	if (!ended.has(job.id)) {
		ended.set(job.id, Date.now());
		announce(job.said || job.troubles.join(" "));
	}
	if (job.state === "failed" || job.troubles.length) return true;
	const looked = document.querySelector(".toasts")?.matches(":hover, :focus-within");
	if (!looked && Date.now() - ended.get(job.id) > (job.undo ? 30_000 : 8_000)) closed.add(job.id);
	return !closed.has(job.id);
}

setInterval(() => ended.size > closed.size && redraw(), 1000);

// For the corner: the latest below, a few at once.
export function toasts() {
	const jobs = under("job/").filter(shown).sort((a, b) => a.began - b.began);
	const more = jobs.length - 4;
	return h("section.toasts", { key: "toasts", "aria-label": "What is being done" },
		more > 0 && h("p.toast.dim", `and ${more} more`),
		jobs.slice(-4).map(toast),
		notices.map((notice) =>
			h("div", { key: notice.id, class: "toast bad" }, h("p", notice.text), closer(() => notices.splice(notices.indexOf(notice), 1)))));
}

function toast(job) {
	const runs = job.state === "running";
	const others = !mine.has(job.id) && job.who !== me.user;
	const text = job.said || (runs ? `${DOING[job.verb] ?? job.verb}${job.queue ? " of " + job.queue : ""}…` : job.state);
	return h("div", { key: job.id, class: `toast ${job.state === "failed" || job.troubles.length ? "bad" : runs ? "" : "good"}` },
		h("p", text, others && h("span.dim", ` (${job.who})`)),
		job.troubles.slice(0, 3).map((trouble) => h("p.wrong", trouble)),
		job.troubles.length > 3 && h("p.dim", `and ${job.troubles.length - 3} more`),
		runs && h("progress", { "aria-label": text, max: job.total || null, value: job.total ? job.looked : null }),
		h("div.buttons",
			runs && h("span.dim", job.total ? `${number(job.looked)} of ${number(job.total)}` : number(job.looked || null)),
			runs && may() && h("button", { onclick: () => post({ verb: "stop", job: job.id }).catch((error) => complain(error.message)) }, "Stop"),
			!runs && job.undo && may() && h("button", { onclick: () => { closed.add(job.id); act(job.undo); } }, "Undo")),
		!runs && closer(() => closed.add(job.id)));
}

const closer = (close) =>
	h("button.close", { "aria-label": "Close", onclick: () => { close(); redraw(); } }, "×");

// Counts what has been done to a queue's letters, so that a list knows when it is old.
export const doneTo = (key) =>
	under("job/").filter((job) => job.key === key && job.state !== "running" && ["requeue", "drop", "restore", "cancel"].includes(job.verb)).length;
