// Tables that people sort, whose rows are kept by key. While somebody points at one, or has focus
// in it, its order is held: nothing moves away under a finger. Rows whose data are the same are not
// made anew.

import { h, memo, redraw } from "./dom.js";
import { number } from "./format.js";
import { asked, note } from "./route.js";

const LONG = 100; // rows: more are laid out only where they are seen

const points = matchMedia("(hover: hover)");

// Columns: {id, label, title, width, value(row) to sort by, cell(row), number, wide, minor}. `wide`
// ones have a line of their own on a phone, `whole` ones always, `minor` ones are left out there. The
// first one names the row. `sort`: "waiting", or "-waiting" for the largest first; not where `sorts` is false.
export function table({ name, label, columns, key, inputs, sort = "", sorts = true, pick = null, tone }) {
	let current = null;
	let order = [];
	let body = null;
	let forced = false;

	const sorting = () => (current ??= (sorts && known(asked("sort"))) || sort);
	const known = (given) => columns.some((column) => column.value && column.id === given.replace(/^-/, "")) && given;

	function turn(column) {
		const first = column.number ? "-" + column.id : column.id;
		const second = column.number ? column.id : "-" + column.id;
		current = sorting() === first ? second : first;
		forced = true;
		note({ sort: current === sort ? "" : current });
		redraw();
	}

	const held = () => body?.node?.matches((points.matches ? ":hover, " : "") + ":focus-within");

	function ordered(rows) {
		const by = columns.find((column) => column.id === sorting().replace(/^-/, ""));
		const sorted = by ? [...rows].sort(comparing(by, sorting()[0] === "-")) : rows;
		if (forced || !held()) {
			forced = false;
			order = sorted.map(key);
			return sorted;
		}
		const found = new Map(sorted.map((row) => [key(row), row]));
		const kept = order.filter((each) => found.has(each));
		const known = new Set(kept);
		order = [...kept, ...sorted.map(key).filter((each) => !known.has(each))];
		return order.map((each) => found.get(each));
	}

	function head(shown) {
		const cells = columns.map((column) => {
			const on = sorting().replace(/^-/, "") === column.id;
			const down = on && sorting()[0] === "-";
			if (!column.label) return h("td", { role: "cell", key: column.id, class: kind(column) });
			const direction = on ? (down ? "descending" : "ascending") : null;
			const mark = h("span.mark", { "aria-hidden": "true" }, on ? (down ? "↓" : "↑") : "");
			const text = sorts && column.value
				? h("button", { type: "button", title: column.title, onclick: () => turn(column) }, column.label, mark)
				: h("span", { title: column.title }, column.label);
			return h("th", { role: "columnheader", scope: "col", key: column.id, class: kind(column), "aria-sort": direction }, text);
		});
		const all = pick && h("td", { role: "cell", key: "", class: "pick" }, box("all of these", allIn(shown), () => pick.all(shown)));
		return h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, all, cells));
	}

	const allIn = (shown) => shown.length > 0 && shown.every((row) => pick.has(key(row)));

	function line(row, shown) {
		const id = key(row);
		const on = pick ? pick.has(id) : false;
		return memo(id, [...(inputs ? inputs(row) : [row]), on], () =>
			h("tr", { role: "row", class: [tone?.(row), on && "picked"].filter(Boolean).join(" ") || null },
				pick && h("td", { role: "cell", class: "pick" }, box(id, on, (event) => pick.one(id, order, event.shiftKey))),
				columns.map((column, i) =>
					h(i ? "td" : "th", { role: i ? "cell" : "rowheader", scope: i ? null : "row", class: kind(column), "data-label": column.label },
						column.cell(row)))));
	}

	return {
		draw(rows) {
			const shown = ordered(rows);
			body = h("tbody", { role: "rowgroup" }, shown.map((row) => line(row, shown)));
			const widths = (pick ? "1.75rem " : "") + columns.map((column) => column.width).join(" ");
			return h("table", { key: name, role: "table", class: `list ${name}${shown.length > LONG ? " long" : ""}`, "aria-label": label, "--columns": widths }, head(shown), body);
		},
	};
}

// A column of numbers, or of texts that came from elsewhere.
export const figure = (id, label, title, width, form = number, more = {}) => {
	const value = more.value ?? ((row) => row[id]);
	return { id, label, title, width, number: true, value, cell: (row) => form(value(row)), ...more };
};
export const words = (id, label, width, more = {}) =>
	({ id, label, width, value: (row) => row[id], cell: (row) => h("bdi", { title: row[id] }, row[id]), ...more });

const kind = (column) =>
	[column.number && "number", column.whole && "whole", column.wide && "wide", column.minor && "minor"].filter(Boolean).join(" ") || null;

const box = (label, on, onclick) =>
	h("label.box", h("input", { type: "checkbox", "aria-label": `choose ${label}`, ".checked": on, onclick }));

const collate = new Intl.Collator("en", { numeric: true }).compare;

// What nobody knows comes last, whichever way.
function comparing(column, down) {
	const value = column.value;
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
	return {
		chosen,
		has: (id) => chosen.has(id),
		one(id, order, through) {
			const on = !chosen.has(id);
			const [from, to] = [order.indexOf(last), order.indexOf(id)].sort((a, b) => a - b);
			const meant = through && from >= 0 ? order.slice(from, to + 1) : [id];
			for (const each of meant) on ? chosen.add(each) : chosen.delete(each);
			last = id;
			redraw();
		},
		all(rows) {
			const ids = rows.map((row) => row.letter ?? row.document);
			const on = !ids.every((id) => chosen.has(id));
			for (const id of ids) on ? chosen.add(id) : chosen.delete(id);
			redraw();
		},
		keep(ids) {
			const there = new Set(ids);
			for (const id of chosen) if (!there.has(id)) chosen.delete(id);
		},
	};
}

// A field that narrows rows down to those that have all of its words in what `of(row)` says, and
// tells how many these are. It is in the address, too.
export function filter(what, of) {
	let text = asked("filter");
	const change = (value) => {
		text = value;
		note({ filter: text });
		redraw();
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
