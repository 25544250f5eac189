// Tables that people sort, whose rows are kept by key. While somebody points at one, or has focus
// in it, its order is held: nothing moves away under a finger.

import { h, memo } from "./dom.js";
import { number } from "./format.js";
import { button } from "./pieces.js";
import { asked, note } from "./route.js";

const LONG = 100; // rows: more are laid out only where they are seen

const points = matchMedia("(hover: hover)");

// Columns: {id, label, title, width, value(row) to sort by, cell(row), number, wide, whole, minor}. `wide`
// ones have a line of their own on a phone, `whole` ones always, `minor` ones are left out there. The
// first one names the row. `sort`: "waiting", or "-waiting" for the largest first; not where `sorts` is false.
export function table({ name, label, columns, key, inputs, sort = "", sorts = true, pick = null, tone }) {
	const known = (given) => columns.some((column) => column.value && column.id === given.replace(/^-/, "")) && given;
	let current = (sorts && known(asked("sort"))) || sort;
	let order = [];
	let body = null;
	let forced = false;

	const sorting = () => ({ by: columns.find((column) => column.id === current.replace(/^-/, "")), down: current[0] === "-" });

	function turn({ id, number }) {
		const [first, second] = number ? ["-" + id, id] : [id, "-" + id];
		current = current === first ? second : first;
		forced = true;
		note({ sort: current === sort ? "" : current });
	}

	const held = () => body?.node?.matches((points.matches ? ":hover, " : "") + ":focus-within");

	function ordered(rows) {
		const { by, down } = sorting();
		const sorted = by ? [...rows].sort(comparing(by, down)) : rows;
		const found = new Map(sorted.map((row) => [key(row), row]));
		order = forced || !held() ? sorted.map(key) : [...new Set([...order.filter((each) => found.has(each)), ...found.keys()])];
		forced = false;
		return order.map((each) => found.get(each));
	}

	function head(shown) {
		const { by, down } = sorting();
		const cells = columns.map((column) => {
			const { label, title } = column;
			if (!label) return h("td", { role: "cell", class: kinds(column) });
			const on = column === by;
			const direction = on && (down ? "descending" : "ascending");
			const mark = h("span.mark", { "aria-hidden": "true" }, on && (down ? "↓" : "↑"));
			return h("th", { role: "columnheader", scope: "col", class: kinds(column), "aria-sort": direction },
				sorts && column.value ? button([label, mark], () => turn(column), null, { title }) : h("span", { title }, label));
		});
		const ids = shown.map(key);
		const all = pick && h("td.pick", { role: "cell" }, box("all of these", ids.length > 0 && ids.every(pick.has), () => pick.all(ids)));
		return h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, all, cells));
	}

	function line(row) {
		const id = key(row);
		const on = pick?.has(id);
		return memo(id, [...(inputs ? inputs(row) : [row]), on], () =>
			h("tr", { role: "row", class: [tone?.(row), on && "picked"].filter(Boolean).join(" ") },
				pick && h("td.pick", { role: "cell" }, box(id, on, (event) => pick.one(id, order, event.shiftKey))),
				columns.map((column, i) =>
					h(i ? "td" : "th", { role: i ? "cell" : "rowheader", scope: i ? null : "row", class: kinds(column), "data-label": column.label },
						column.cell(row)))));
	}

	// These rows, or if there are none, what is to be in place of them.
	return (rows, otherwise) => {
		const shown = ordered(rows);
		if (!shown.length) return otherwise;
		body = h("tbody", { role: "rowgroup" }, shown.map(line));
		const widths = (pick ? "1.75rem " : "") + columns.map((column) => column.width).join(" ");
		return h("table", { role: "table", class: `list ${name}${shown.length > LONG ? " long" : ""}`, "aria-label": label, "--columns": widths }, head(shown), body);
	};
}

// A column that is not sorted by, of numbers, of texts that came from elsewhere, or of payloads.
export const column = (label, width, cell, more) => ({ label, width, cell, ...more });
export const figure = (id, label, title, width, form = number, more = {}) => {
	const value = more.value ?? ((row) => row[id]);
	return { id, label, title, width, number: true, value, cell: (row) => form(value(row)), ...more };
};
export const words = (id, label, width, more = {}) =>
	({ id, label, width, value: (row) => row[id], cell: (row) => h("bdi", { title: row[id] }, row[id]), ...more });
export const PAYLOAD = column("Payload", "minmax(10rem, 1fr)", (row) => h("code.payload", row.payload, !row.whole && "…"), { wide: true });

const kinds = (column) => ["number", "whole", "wide", "minor"].filter((kind) => column[kind]).join(" ");

const box = (label, on, onclick) =>
	h("label.box", h("input", { type: "checkbox", "aria-label": `choose ${label}`, ".checked": on, onclick }));

const collate = new Intl.Collator("en", { numeric: true }).compare;

// What nobody knows comes last, whichever way.
function comparing({ value }, down) {
	return (one, other) => {
		const [a, b] = [value(one) ?? null, value(other) ?? null];
		if (a === null || b === null) return (a === null) - (b === null);
		const first = typeof a === "string" ? collate(a, b) : a - b;
		return down ? -first : first;
	};
}

// Rows that are chosen: by clicks, and from one to another with Shift.
export function picks() {
	const chosen = new Set();
	let last = null;
	const choose = (ids, on) => ids.forEach((id) => (on ? chosen.add(id) : chosen.delete(id)));
	return {
		chosen,
		has: (id) => chosen.has(id),
		one(id, order, through) {
			const [from, to] = [order.indexOf(last), order.indexOf(id)].sort((a, b) => a - b);
			choose(through && from >= 0 ? order.slice(from, to + 1) : [id], !chosen.has(id));
			last = id;
		},
		all: (ids) => choose(ids, !ids.every((id) => chosen.has(id))),
		keep: (ids) => choose([...chosen].filter((id) => !ids.includes(id)), false),
	};
}

// A field that narrows rows down to those that have all of its words in what `of(row)` says, and
// tells how many these are. It is in the address, too.
export function filter(what, of) {
	let text = asked("filter");
	const change = (value) => {
		text = value;
		note({ filter: text });
	};
	return {
		change,
		rows(all) {
			const words = text.toLowerCase().split(/\s+/);
			return all.filter((row) => words.every((word) => of(row).toLowerCase().includes(word)));
		},
		box: (shown, all) =>
			h("div.filter",
				h("input", { type: "search", placeholder: `Filter ${what}`, "aria-label": `Filter ${what}`, "aria-keyshortcuts": "/",
					autocomplete: "off", spellcheck: "false", ".value": text, oninput: (event) => change(event.target.value) }),
				h("span.dim.count", shown === all ? all : `${shown} of ${all}`)),
	};
}
