// Dead letters of a queue: what they have in common, and the letters of a group or a filter.

import { address, get } from "./api.js";
import { h, redraw } from "./dom.js";
import { bytes, many, number, seconds, time, typed } from "./format.js";
import { heading, link, none, panel } from "./pieces.js";
import { missing } from "./queue.js";
import { asked, go, HOME, toDead, toLetter, toQueue } from "./route.js";
import { part } from "./stream.js";
import { figure, picks, table, words } from "./table.js";
import { act, confirmed, doneTo, may, trashes } from "./verbs.js";

const FILTERS = ["group", "reason", "error", "text", "older", "newer"];
const read = () => Object.fromEntries(FILTERS.map((name) => [name, asked(name)]));

export function open({ key }) {
	const filter = read();
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
				filterForm(key, filter),
				narrowed ? letters.draw(it, group) : groups.draw(it, found),
				narrowed ? null : trashes(part("trashes")?.filter((each) => each.kind === "letters"), key),
			];
		},
	};
}

// The same fields in the address, so that a view can be sent to somebody.
function filterForm(key, filter) {
	const submit = (event) => {
		event.preventDefault();
		const values = Object.fromEntries(new FormData(event.target));
		for (const name of ["older", "newer"]) {
			const input = event.target.elements[name];
			const span = values[name] ? seconds(values[name]) : "";
			input.setCustomValidity(span === null ? "as 90s, 10m, 2h or 1d" : "");
			if (span === null) return input.reportValidity();
			values[name] = span || "";
		}
		go(toDead(key, { group: filter.group, ...values }));
	};
	const field = (name, label, placeholder, value = filter[name]) =>
		h("label", label, h("input", {
			name, value, placeholder, type: "search", autocomplete: "off", spellcheck: "false", oninput: (event) => event.target.setCustomValidity("") }));
	return h("form.filters", { key: "filter", onsubmit: submit, role: "search", "aria-label": "Dead letters" },
		field("error", "Error has", "type or message"), field("reason", "Reason has", "the handler failed"), field("text", "Payload has", "text"),
		field("older", "Dead for", "2h or longer", typed(filter.older)), field("newer", "Dead since", "1d ago", typed(filter.newer)),
		h("div.buttons", h("button", "Show"),
			FILTERS.some((name) => filter[name]) && h("a.button.quiet", { href: toDead(key) }, "All groups")));
}

// ---- what is done to many ----

const cleaned = (filter) => Object.fromEntries(FILTERS.map((name) => [name, ["older", "newer"].includes(name) ? Number(filter[name]) || null : filter[name] ?? ""]));
const meant = (filter) => (FILTERS.some((name) => filter[name]) ? cleaned(filter) : {});

const DELAYS = [["", "now"], ["60", "in 1 min"], ["600", "in 10 min"], ["3600", "in 1 h"], ["86400", "in 1 d"]];

export const requeue = (it, chosen, text) =>
	confirmed({
		title: `Requeue ${text}`,
		text: `They are pushed to ${it.name}, as a producer would, and run again.`,
		fields: [{ name: "delay", label: "When", options: DELAYS }],
		verb: "Requeue",
	}, ({ delay }) => ({ verb: "requeue", queue: it.key, ...chosen, ...(delay && { delay: Number(delay) }) }));

export const drop = (it, chosen, text) =>
	confirmed({
		title: `Drop ${text}`,
		text: `This moves ${text} of ${it.name} to its trash. From there they can be put back for a day.`,
		verb: "Drop",
		danger: true,
	}, { verb: "drop", queue: it.key, ...chosen });

function verbs(it, filter, text, label = "Requeue") {
	const chosen = { filter: meant(filter) };
	return h("div.buttons",
		may() && h("button", { onclick: () => requeue(it, chosen, text) }, label),
		may() && h("button.danger", { onclick: () => drop(it, chosen, text) }, "Drop"),
		h("a.button.quiet", { href: address("export", { queue: it.key, ...filter }), download: true }, "Export"));
}

// ---- groups ----

function groupsOf(key, queue) {
	const list = table({
		name: "groups", label: "Groups of dead letters", key: (group) => group.group, sort: "-count",
		inputs: (group) => [group],
		columns: [
			words("error", "What went wrong", "minmax(14rem, 1fr)", { cell: (group) => [
				link(toDead(key, { group: group.group }), group.error || group.reason, { class: "open" }),
				h("span.dim.under", group.error && [h("bdi", group.reason), " · "], "latest: ", link(toLetter(key, group.letter), group.example || group.letter))] }),
			figure("count", "Letters", "", "5.5rem"), figure("first", "First", "", "6.5rem", time), figure("last", "Last", "", "6.5rem", time),
			{ id: "act", label: "", width: may() ? "15rem" : "5rem", wide: true,
				cell: (group) => verbs(queue(), { group: group.group }, `the ${many(group.count, "dead letter")} of this group`) },
		],
	});
	return {
		draw(it, found) {
			const looks = !found || found.state === "looking";
			const groups = found?.groups ?? [];
			return panel("Groups", groups.length || null, [
				looks && it.dead > 0 && h("span.dim.looking", "looking at them",
					h("progress", { max: found?.of || null, value: found?.of ? found.looked : null, "aria-label": "letters looked at" }),
					found?.of && `${number(found.looked)} of ${number(found.of)}`),
				found?.state === "done" && h("span.dim", "counted ", time(found.at), found.letters !== it.dead && `, when there were ${number(found.letters)}`),
				!looks && h("button.quiet", { onclick: () => act({ verb: "look", queue: key }) }, "Count again")],
			found?.trouble && h("p.notice.bad", found.trouble),
			groups.length ? list.draw(groups) : !it.dead && none("No dead letters. Tasks that fail for good come here, and wait for you."));
		},
	};
}

// ---- letters ----

function lettersOf(key, filter) {
	let letters = [];
	let next = null;
	let state = "";
	let done = -1; // of what changes the list
	const leaving = new AbortController();
	const chosen = picks();
	const list = table({
		name: "letters", label: "Dead letters", key: (letter) => letter.letter, sorts: false, pick: chosen,
		columns: [
			words("letter", "Letter", "9.5rem", { cell: (letter) => link(toLetter(key, letter.letter), letter.letter, { class: "open" }) }),
			words("error", "Error", "minmax(10rem, 1fr)", { wide: true, cell: (letter) => h("bdi", { title: letter.reason }, letter.error || letter.reason) }),
			{ id: "payload", label: "Payload", width: "minmax(10rem, 1fr)", wide: true, cell: (letter) => h("code.payload", letter.payload, !letter.whole && "…") },
			figure("size", "Size", "", "5rem", bytes), figure("at", "Dead", "", "6.5rem", time),
		],
	});

	async function load(more) {
		state = "reading";
		redraw();
		try {
			const most = more ? 50 : Math.max(50, Math.min(500, letters.length));
			const found = await get("letters", { queue: key, ...filter, after: more ? next : "", most }, leaving.signal);
			letters = more ? [...letters, ...found.letters] : found.letters;
			next = found.next;
			state = "";
			chosen.keep(letters.map((letter) => letter.letter));
		} catch (error) {
			if (error.name === "AbortError") return;
			state = error.message;
		}
		redraw();
	}

	const whole = (group) => {
		if (group && FILTERS.every((name) => name === "group" || !filter[name])) return many(group.count, "dead letter");
		return next ? `all dead letters that match (more than ${number(letters.length)})` : `${many(letters.length, "dead letter")} that match`;
	};

	return {
		close: () => leaving.abort(),
		draw(it, group) {
			const count = doneTo(key);
			if (count > done) load(false);
			done = count;
			const some = [...chosen.chosen];
			const these = many(some.length, "dead letter");
			return h("section.panel", { key: "letters" },
				h("div.toolbar.sticky", h("h2", "Letters"),
					h("span.dim.count", next ? `the latest ${number(letters.length)}` : number(letters.length)),
					some.length > 0 && may()
						? h("div.buttons", h("button.main", { onclick: () => requeue(it, { letters: some }, these) }, `Requeue ${number(some.length)}`),
							h("button.danger", { onclick: () => drop(it, { letters: some }, these) }, `Drop ${number(some.length)}`))
						: letters.length > 0 && verbs(it, filter, whole(group), "Requeue all of these")),
				state && state !== "reading" && h("p.notice.bad", state),
				letters.length ? list.draw(letters) : none(state === "reading" ? "Reading…" : "There are none."),
				next && h("button.more", { disabled: state === "reading", onclick: () => load(true) }, "Show 50 more"));
		},
	};
}
