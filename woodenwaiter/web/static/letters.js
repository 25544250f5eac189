// Dead letters of a queue: what they have in common, the letters of a group or a filter, and one of them.

import { address, get, me } from "./api.js";
import { h, redraw } from "./dom.js";
import { bytes, many, number, time } from "./format.js";
import { button, fieldList, heading, link, none, notice, panel } from "./pieces.js";
import { missing } from "./queue.js";
import { asked, go, HOME, toDead, toLetter, toQueue } from "./route.js";
import { part } from "./stream.js";
import { column, figure, PAYLOAD, picks, table, words } from "./table.js";
import { act, ask, attempt, confirmed, field, loading, may, spans, trashes } from "./verbs.js";

const FILTERS = ["group", "reason", "error", "text", "older", "newer"];

export function lettersPage({ key }) {
	const filter = Object.fromEntries(FILTERS.map((name) => [name, asked(name)]));
	const narrowed = FILTERS.some((name) => filter[name]);
	const queue = () => part(`queue/${key}`);
	const letters = lettersOf(key, filter);
	const groups = groupsOf(key, queue);
	return {
		view: "dead",
		parameters: { queue: key },
		title: () => (queue() ? `Dead letters of ${queue().name}` : "Dead letters"),
		close: letters.close,
		draw() {
			const it = queue();
			if (!it) return missing();
			const found = part("groups");
			const group = filter.group && found?.groups?.find((each) => each.group === filter.group);
			return [
				heading([[HOME, "Queues"], [toQueue(key), it.name], ...(narrowed ? [[toDead(key), "Dead letters"]] : [])], [
					h("h1", h("bdi", group ? group.reason : narrowed ? "Some dead letters" : "Dead letters"), !narrowed && h("span.dim.count", number(it.dead))),
					group && h("p.pattern", h("bdi", group.error))],
				it.dead > 0 && !narrowed && verbs(it, {}, `all ${many(it.dead, "dead letter")}`, "Requeue all")),
				filterForm(key, filter, narrowed),
				narrowed ? letters.draw(it, group) : groups(it, found),
				!narrowed && trashes(part("trashes")?.filter((each) => each.kind === "letters"), key),
			];
		},
	};
}

// The same fields in the address, so that a view can be sent to somebody.
function filterForm(key, filter, narrowed) {
	const submit = (event) => {
		event.preventDefault();
		go(toDead(key, { group: filter.group, ...Object.fromEntries(new FormData(event.target)) }));
	};
	const one = (name, label, more) => field({ name, label, value: filter[name], type: "search", ...more });
	const span = (name, label, form) => one(name, label, { options: spans("any time", form, filter[name]) });
	return h("form.filters", { onsubmit: submit, role: "search", "aria-label": "Dead letters" },
		one("error", "Error has", { placeholder: "type or message" }), one("reason", "Reason has", { placeholder: "the handler failed" }),
		one("text", "Payload has", { placeholder: "text" }),
		span("older", "Dead for", (text) => `${text} or longer`), span("newer", "Dead within", (text) => `the last ${text}`),
		h("div.buttons", h("button", "Show"), narrowed && h("a.button.quiet", { href: toDead(key) }, "All groups")));
}

const requeue = (it, chosen, text) =>
	confirmed({
		title: `Requeue ${text}`,
		text: `They are pushed to ${it.name}, as a producer would, and run again.`,
		fields: [{ name: "delay", label: "When", options: spans("now", (text) => `in ${text}`) }],
		verb: "Requeue",
	}, ({ delay }) => ({ verb: "requeue", queue: it.key, ...chosen, ...(delay && { delay: Number(delay) }) }));

const drop = (it, chosen, text) =>
	confirmed({
		title: `Drop ${text}`,
		text: `This moves ${text} of ${it.name} to its trash. From there they can be put back for a day.`,
		verb: "Drop",
		danger: true,
	}, { verb: "drop", queue: it.key, ...chosen });

const verbs = (it, filter, text, label = "Requeue") =>
	h("div.buttons",
		may() && button(label, () => requeue(it, { filter }, text)),
		may() && button("Drop", () => drop(it, { filter }, text), "danger"),
		exporting(it, filter));

const exporting = (it, meant) => h("a.button.quiet", { href: address("export", { queue: it.key, ...meant }), download: true }, "Export");

function groupsOf(key, queue) {
	const list = table({
		name: "groups", label: "Groups of dead letters", key: (group) => group.group, sort: "-count",
		columns: [
			words("error", "What went wrong", "minmax(14rem, 1fr)", { cell: (group) => [
				link(toDead(key, { group: group.group }), group.error || group.reason, { class: "open" }),
				h("span.dim.under", group.error && [h("bdi", group.reason), " · "], "latest: ", link(toLetter(key, group.letter), group.example || group.letter))] }),
			figure("count", "Letters", "", "5.5rem"), figure("first", "First", "", "6.5rem", time), figure("last", "Last", "", "6.5rem", time),
			column("", may() ? "15rem" : "5rem", (group) => verbs(queue(), { group: group.group }, `the ${many(group.count, "dead letter")} of this group`), { wide: true }),
		],
	});
	return (it, found) => {
		const looks = !found || found.state === "looking";
		const groups = found?.groups ?? [];
		return panel("Groups", groups.length || null, [
			looks && it.dead > 0 && h("span.dim.looking", "looking at them",
				h("progress", { max: found?.of || null, value: found?.of ? found.looked : null, "aria-label": "letters looked at" }),
				found?.of && `${number(found.looked)} of ${number(found.of)}`),
			found?.state === "done" && h("span.dim", "counted ", time(found.at), found.letters !== it.dead && `, when there were ${number(found.letters)}`),
			!looks && button("Count again", () => act({ verb: "look", queue: key }), "quiet")],
		found?.trouble && notice("bad", found.trouble),
		list(groups, !it.dead && none("No dead letters. Tasks that fail for good come here, and wait for you.")));
	};
}

function lettersOf(key, filter) {
	let letters = [];
	let next = null;
	let reading = false;
	let trouble = "";
	const leaving = new AbortController();
	const chosen = picks();
	const list = table({
		name: "letters", label: "Dead letters", key: (letter) => letter.letter, sorts: false, pick: chosen,
		columns: [
			words("letter", "Letter", "9.5rem", { cell: (letter) => link(toLetter(key, letter.letter), letter.letter, { class: "open" }) }),
			words("error", "Error", "minmax(10rem, 1fr)", { wide: true, cell: (letter) => h("bdi", { title: letter.reason }, letter.error || letter.reason) }),
			PAYLOAD, figure("size", "Size", "", "5rem", bytes), figure("at", "Dead", "", "6.5rem", time),
		],
	});

	async function load(more) {
		reading = true;
		trouble = "";
		try {
			const most = more ? 50 : Math.max(50, Math.min(500, letters.length));
			const found = await get("letters", { queue: key, ...filter, after: more ? next : "", most }, leaving.signal);
			letters = more ? [...letters, ...found.letters] : found.letters;
			next = found.next;
			chosen.keep(letters.map((letter) => letter.letter));
		} catch (error) {
			trouble = error.message;
		}
		reading = false;
		redraw();
	}

	const current = loading(key, load);
	const whole = (group) => {
		if (group && FILTERS.every((name) => name === "group" || !filter[name])) return many(group.count, "dead letter");
		return next ? `all dead letters that match (more than ${number(letters.length)})` : `${many(letters.length, "dead letter")} that match`;
	};

	return {
		close: () => leaving.abort(),
		draw(it, group) {
			current();
			const some = [...chosen.chosen];
			const these = many(some.length, "dead letter");
			return panel("Letters", next ? `the latest ${number(letters.length)}` : letters.length,
				some.length > 0 && may()
					? h("div.buttons", button(`Requeue ${number(some.length)}`, () => requeue(it, { letters: some }, these), "main"),
						button(`Drop ${number(some.length)}`, () => drop(it, { letters: some }, these), "danger"), exporting(it, { letters: some }))
					: letters.length > 0 && verbs(it, filter, whole(group), "Requeue all of these"),
				trouble && notice("bad", trouble),
				list(letters, none(reading ? "Reading…" : next ? "None so far." : "There are none.")),
				next && button(letters.length ? "Show 50 more" : "Go on looking", () => load(true), "more", { disabled: reading }));
		},
	};
}

// One dead letter, whole: a large payload in parts.

export function letterPage({ key, letter }) {
	let found = null;
	let trouble = "";
	let parts = [];
	let read = 0; // bytes of the payload that are shown
	const leaving = new AbortController();

	async function load() {
		try {
			found = await get("letter", { queue: key, letter }, leaving.signal);
			parts = [found.payload];
			read = found.to;
			trouble = "";
		} catch (error) {
			const gone = error.status === 404;
			trouble = gone ? "It is not among the dead letters any more: it was requeued, dropped, or never there." : error.message;
			if (gone) found = null;
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

	const edit = () =>
		ask({
			title: "Edit and requeue",
			text: "What you make of it is pushed in place of this letter.",
			fields: [{ name: "payload", label: "Payload, a JSON object", value: found.raw, multiline: true }],
			verb: "Requeue",
			check: ({ payload }) => wrongJson(payload)
				|| attempt({ verb: "requeue", queue: key, letters: [letter], payload }).then(() => "", (error) => error.message),
		});

	const current = loading(key, load);
	const one = (verb) => verb({ key, name: found.queue }, { letters: [letter] }, `dead letter ${letter}`);
	const links = () => [[HOME, "Queues"], [toQueue(key), found?.queue ?? "queue"], [toDead(key), "Dead letters"],
		...(found?.group ? [[toDead(key, { group: found.group }), "its group"]] : [])];
	const verbs = () => found && may() && h("div.buttons",
		button("Requeue", () => one(requeue), "main"), found.mayEdit && button("Edit and requeue", edit), button("Drop", () => one(drop), "danger"));

	function payload() {
		const left = found.size - read;
		return panel("Payload", [bytes(found.size), !found.isJson && ", no JSON"], null,
			found.hidden && notice("", `Values of ${me.redacts.join(", ") || "some keys"} are hidden on this page`, may() && !found.mayEdit && ", so it cannot be edited here", "."),
			box("Payload", parts),
			left > 0 && button(`Show ${bytes(Math.min(left, 65536))} more of ${bytes(left)}`, more, "more"));
	}

	return {
		view: "letter",
		title: () => letter,
		close: () => leaving.abort(),
		draw() {
			current();
			return [
				heading(links(), h("h1", h("code", letter)), verbs()),
				trouble && notice("warn", trouble, " ", h("a", { href: toDead(key) }, "All dead letters")),
				found && [fields(), payload()],
				!found && !trouble && none("Reading…"),
			];
		},
	};

	function fields() {
		const { traceback, ...short } = Object.fromEntries(found.fields);
		return [
			fieldList([["dead", time(found.at)], ...Object.entries(short).map(([name, value]) =>
				[name, name === "first_failed" && Number(value) ? time(Number(value)) : h("bdi", value)])]),
			traceback && panel("Traceback", null, null, box("traceback", [traceback])),
		];
	}
}

const box = (label, texts) => h("div.code-box", { tabindex: "0", role: "region", "aria-label": label }, texts.map((text) => h("pre", text)));

function wrongJson(text) {
	try {
		const value = JSON.parse(text);
		return value && typeof value === "object" && !Array.isArray(value) ? "" : "It has to be a JSON object: {…}.";
	} catch (error) {
		return `This is no JSON: ${error.message}`;
	}
}
