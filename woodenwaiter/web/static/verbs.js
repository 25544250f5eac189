// What people do: asked once where it cannot simply be done again, sent, and told how it goes.
// What is under way stands in a corner on every page, whoever has begun it.

import { me, post } from "./api.js";
import { h, redraw } from "./dom.js";
import { capital, many, now, number, span, time } from "./format.js";
import { popUp } from "./keys.js";
import { button, panel } from "./pieces.js";
import { stream, under } from "./stream.js";

export const may = () => !me.readOnly;

const MINE = "woodenwaiter.jobs";
const mine = new Set(JSON.parse(sessionStorage.getItem(MINE) ?? "[]")); // so that a reload forgets nothing
const CLOSED = "woodenwaiter.closed";
const closed = new Set(JSON.parse(sessionStorage.getItem(CLOSED) ?? "[]"));
const troubles = []; // what went wrong here, as if it were jobs that failed
const ended = new Set(); // jobs of ours that were seen to be over

// Send it; raises what is wrong with that.
export async function attempt(body) {
	const job = await post(body);
	if (!job.id) return;
	mine.add(job.id);
	sessionStorage.setItem(MINE, JSON.stringify([...mine].slice(-50)));
	stream.parts.set(`job/${job.id}`, job);
	redraw();
}

// Likewise, and tells it in the corner.
export const act = (body) => attempt(body).catch((error) => complain(error.message));

export function complain(text) {
	const id = String(Math.random());
	mine.add(id);
	troubles.push({ id, state: "failed", said: text, troubles: [], began: now() });
	redraw();
}

// Ask, in a dialog, with fields if there are any. What was filled in, or null. `check(values)`, which
// may wait, returns what is wrong with them, in words.
export function ask({ title, text, fields = [], verb, danger, check }) {
	return new Promise((resolve) => {
		let wrong = "";
		let busy = false;
		let result = null;
		const send = async (event) => {
			event.preventDefault();
			const values = Object.fromEntries(new FormData(event.target));
			busy = true;
			wrong = "";
			wrong = (await check?.(values)) || "";
			busy = false;
			redraw();
			if (wrong) return;
			result = values;
			dialog.close();
		};
		const dialog = popUp(title, () => h("form", { onsubmit: send },
			h("h2", title),
			[text].flat().map((line) => h("p", line)),
			fields.map(field),
			h("p.wrong", { role: "alert" }, wrong),
			h("div.buttons",
				button("Cancel", () => dialog.close(), null, { type: "button" }),
				h("button", { class: danger ? "danger" : "main", disabled: busy, autofocus: !fields.length }, verb))), () => resolve(result));
	});
}

export function field({ name, label, value = "", options, multiline, placeholder, type }) {
	const given = { name, id: `field-${name}`, placeholder };
	const input = options
		? h("select", given, options.map(([each, text]) => h("option", { value: each, selected: each === value }, text)))
		: multiline
			? h("textarea", { ...given, rows: 14, spellcheck: "false" }, value)
			: h("input", { ...given, value, type, autocomplete: "off", spellcheck: "false" });
	return h("div.field", h("label", { for: `field-${name}` }, label), input);
}

const SPANS = { 60: "1 min", 300: "5 min", 900: "15 min", 3600: "1 h", 14400: "4 h", 86400: "1 d", 604800: "7 d" };

// The options of a field for seconds: none, in words, some as `form` words them, and that which it has.
export const spans = (none, form, value) =>
	[["", none], ...Object.entries({ ...(value && { [value]: span(value) }), ...SPANS }).map(([seconds, text]) => [seconds, form(text)])];

export async function confirmed(question, body) {
	const values = await ask(question);
	return values && act(typeof body === "function" ? body(values) : body);
}

export const pause = (queue) =>
	confirmed({
		title: `Pause ${queue.name}`,
		text: "No worker of any host claims its tasks. What runs is finished, and producers go on.",
		fields: [
			{ name: "seconds", label: "For how long", options: spans("until somebody resumes it", (text) => text) },
			{ name: "why", label: "Why", placeholder: "for those who wonder" },
		],
		verb: "Pause",
	}, ({ seconds, why }) => ({ verb: "pause", queue: queue.key, seconds: seconds ? Number(seconds) : null, why }));

export const resume = (key) => act({ verb: "resume", queue: key });

const KINDS = { tasks: "task", delayed: "delayed task", letters: "dead letter" };

export const purge = (queue, kind, count) =>
	confirmed({
		title: `Purge ${queue.name}`,
		text: `This moves ${many(count, KINDS[kind])}, or all that there are by then, to the trash of ${queue.name}. `
			+ "From there they can be put back for a day. What runs goes on.",
		verb: `Move ${number(count)} to the trash`,
		danger: true,
	}, { verb: "purge", queue: queue.key, kind });

export function trashes(list, key) {
	if (!list?.length) return null;
	return panel("Trash", null, null,
		h("ul.lines", list.map((each) => {
			const what = many(each.number, KINDS[each.kind]);
			return h("li", { key: each.name },
				h("span", h("strong", what), " ", h("span.dim", "thrown away ", time(each.since), ` by ${each.who}; kept for `,
					each.left === null ? "a day" : `${span(each.left)} more`)),
				may() && h("span.buttons",
					button("Put back", () => act({ verb: "restore", queue: key, trash: each.name })),
					button("Delete", () => confirmed({
						title: "Delete for good", text: `This deletes ${what} for good. It cannot be undone.`, verb: `Delete ${what}`, danger: true,
					}, { verb: "empty", queue: key, trash: each.name }), "quiet")));
		})));
}

export const cancel = (key, task, runs) =>
	confirmed({
		title: "Cancel this task",
		text: [runs ? "Its handler gets TaskCancelled, and its worker is killed 5 s later if that does not help." : "It does not run any more.",
			"It becomes a dead letter with the reason “cancelled”, and can be requeued from there.", h("code", task)],
		verb: "Cancel the task",
		danger: true,
	}, { verb: "cancel", queue: key, task });

const DOING = {
	requeue: "Putting back dead letters", drop: "Dropping dead letters", purge: "Purging", restore: "Putting back", empty: "Emptying the trash",
	cancel: "Cancelling", host: "Telling hosts",
};

function close(job) {
	closed.add(job.id);
	sessionStorage.setItem(CLOSED, JSON.stringify([...closed].slice(-50)));
}

function shown(job) {
	if (closed.has(job.id) || (job.verb === "look" && job.state !== "failed")) return false;
	if (job.state === "running") return true;
	if (!mine.has(job.id)) return false;
	if (!ended.has(job.id)) {
		ended.add(job.id);
		document.getElementById("said").textContent = job.said || job.troubles.join(" "); // for those who do not see it
	}
	if (job.state === "failed" || job.troubles.length) return true;
	const looked = document.querySelector(".toasts")?.matches(":hover, :focus-within");
	if (!looked && now() - job.ended > (job.undo ? 30 : 8)) close(job);
	return !closed.has(job.id);
}

setInterval(() => ended.size > closed.size && redraw(), 1000);

// For the corner: the latest below, a few at once.
export function toasts() {
	const jobs = [...under("job/"), ...troubles].filter(shown).sort((a, b) => a.began - b.began);
	const more = jobs.length - 4;
	return h("section.toasts", { "aria-label": "What is being done" },
		more > 0 && h("p.toast.dim", `and ${more} more`),
		jobs.slice(-4).map(toast));
}

function toast(job) {
	const runs = job.state === "running";
	const others = !mine.has(job.id) && job.who !== me.user;
	const text = job.said || (runs ? `${DOING[job.verb] ?? capital(job.verb)}${job.queue ? " of " + job.queue : ""}…` : !job.troubles.length && job.state);
	return h("div", { key: job.id, class: job.state === "failed" || job.troubles.length ? "toast bad" : "toast" },
		h("p", text, others && h("span.dim", ` (${job.who})`)),
		job.troubles.slice(0, 3).map((trouble) => h("p.wrong", trouble)),
		job.troubles.length > 3 && h("p.dim", `and ${job.troubles.length - 3} more`),
		runs && h("progress", { "aria-label": text, max: job.total || null, value: job.total ? job.looked : null }),
		h("div.buttons",
			runs && h("span.dim", job.total ? `${number(job.looked)} of ${number(job.total)}` : number(job.looked || null)),
			runs && may() && button("Stop", () => act({ verb: "stop", job: job.id })),
			!runs && job.undo && may() && button("Undo", () => { close(job); act(job.undo); })),
		!runs && button("×", () => close(job), "close", { "aria-label": "Close" }));
}

// What loads something of a queue's letters at first, and again whenever more has been done to them.
export function loading(key, load) {
	let done = -1;
	return () => {
		const count = under("job/").filter((job) =>
			job.key === key && job.state !== "running" && ["requeue", "drop", "restore", "cancel"].includes(job.verb)).length;
		if (count > done) load();
		done = count;
	};
}
