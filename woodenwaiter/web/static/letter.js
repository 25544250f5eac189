// One dead letter, whole: a large payload in parts.

import { get, me } from "./api.js";
import { h, redraw } from "./dom.js";
import { bytes, time } from "./format.js";
import { drop, requeue } from "./letters.js";
import { heading, none } from "./pieces.js";
import { HOME, toDead, toQueue } from "./route.js";
import { announce, ask, attempt, doneTo, may } from "./verbs.js";

const LONG = ["traceback"];

export function open({ key, letter }) {
	let found = null;
	let trouble = "";
	let parts = [];
	let read = 0; // bytes of the payload that are shown
	let wrap = true;
	let done = -1;
	const leaving = new AbortController();

	async function load() {
		try {
			found = await get("letter", { queue: key, letter }, leaving.signal);
			parts = [found.payload];
			read = found.whole ? found.size : 65536;
			trouble = "";
		} catch (error) {
			if (error.name === "AbortError") return;
			trouble = error.status === 404 ? "It is not among the dead letters any more: it was requeued, dropped, or never there." : error.message;
			found = error.status === 404 ? null : found;
		}
		redraw();
	}

	async function more() {
		try {
			const part = await get("payload", { queue: key, letter, from: read }, leaving.signal);
			parts = [...parts, part.text];
			read = part.to;
		} catch (error) {
			trouble = error.message;
		}
		redraw();
	}

	async function edit() {
		const values = await ask({
			title: "Edit and requeue",
			text: "What you make of it is pushed in place of this letter.",
			fields: [{ name: "payload", label: "Payload, a JSON object", value: found.raw, multiline: true }],
			verb: "Requeue",
			check: async ({ payload }) => wrongJson(payload) || sent({ verb: "requeue", queue: key, letters: [letter], payload }),
		});
		if (values) announce("Requeued");
	}

	const it = () => ({ key, name: found.queue });
	const chosen = { letters: [letter] };
	const links = () => [[HOME, "Queues"], [toQueue(key), found?.queue ?? "queue"], [toDead(key), "Dead letters"],
		...(found?.group ? [[toDead(key, { group: found.group }), "its group"]] : [])];
	const verbs = () => found && may() && h("div.buttons",
		h("button.main", { onclick: () => requeue(it(), chosen, `dead letter ${letter}`) }, "Requeue"),
		found.mayEdit && h("button", { onclick: edit }, "Edit and requeue"),
		h("button.danger", { onclick: () => drop(it(), chosen, `dead letter ${letter}`) }, "Drop"));

	function payload() {
		const left = found.size - read;
		return h("section.panel", { key: "payload" },
			h("div.toolbar", h("h2", "Payload"), h("span.dim", bytes(found.size), !found.isJson && ", no JSON"),
				h("button.quiet", { "aria-pressed": String(wrap), onclick: () => { wrap = !wrap; redraw(); } }, "Wrap"),
				h("button.quiet", { onclick: copy }, "Copy")),
			found.hidden && h("p.notice", `Values of ${me.redacts.join(", ") || "some keys"} are hidden on this page`, may() && !found.mayEdit && ", so it cannot be edited here", "."),
			h("div", { class: `code-box${wrap ? "" : " wide-lines"}`, tabindex: "0", role: "region", "aria-label": "Payload" }, parts.map((text, i) => h("pre", { key: i }, text))),
			left > 0 && h("button.more", { onclick: more }, `Show ${bytes(Math.min(left, 65536))} more of ${bytes(left)}`));
	}

	const copy = async () => {
		await navigator.clipboard?.writeText(parts.join("")).then(() => announce("Copied"), () => {});
	};

	return {
		view: "letter",
		parameters: {},
		title: () => letter,
		close: () => leaving.abort(),
		draw() {
			const count = doneTo(key);
			if (count > done) load();
			done = count;
			return [
				heading(links(), h("h1", h("code", letter)), verbs()),
				trouble && h("p.notice.warn", { key: "trouble" }, trouble, " ", h("a", { href: toDead(key) }, "All dead letters")),
				found && fields(),
				found && payload(),
				found || trouble ? null : none("Reading…"),
			];
		},
	};

	function fields() {
		const long = found.fields.filter(([name]) => LONG.includes(name));
		return [
			h("dl.fields", { key: "fields" },
				h("dt", "dead"), h("dd", time(found.at)),
				found.fields.filter(([name]) => !LONG.includes(name)).map(([name, value]) => [h("dt", name), h("dd", h("bdi", value))])),
			long.map(([name, value]) => h("section", { key: name, class: "panel" }, h("h2", name[0].toUpperCase() + name.slice(1)),
				h("div.code-box", { tabindex: "0", role: "region", "aria-label": name }, h("pre", value)))),
		];
	}
}

function wrongJson(text) {
	try {
		const value = JSON.parse(text);
		return value && typeof value === "object" && !Array.isArray(value) ? "" : "It has to be a JSON object: {…}.";
	} catch (error) {
		return `This is no JSON: ${error.message}`;
	}
}

const sent = (body) => attempt(body).then(() => "", (error) => error.message);
