// Plots, in SVG whose width is that of its box: one unit a value, stretched; lines keep their width.
// What is written stands beside it in HTML. A plot is a slider for the keyboard and for screen
// readers, whose text is what was so at that time.

import { h, known } from "./dom.js";
import { clock, number, rate, span } from "./format.js";
import { none } from "./pieces.js";

const at = new Map(); // by plot: which value is read out, [column, row]

const total = (values) => values.reduce((sum, value) => sum + (value ?? 0), 0);

// Lines with gaps where nobody knows; or what lies below them.
function line(values, top, height, below = false) {
	let path = "";
	values.forEach((value, i) => {
		if (!known(value)) return;
		const [first, last] = [!known(values[i - 1]), !known(values[i + 1])];
		if (first && below) path += `M${i + 0.5} ${height}`;
		path += `${first && !below ? "M" : "L"}${i + 0.5} ${level(value, top, height)}`;
		if (last) path += below ? `V${height}z` : first ? "h.01" : ""; // one alone is a dot
	});
	return path;
}

const level = (value, top, height) => Math.round((height - (value / top) * height) * 100) / 100;

function bars(values, top, height) {
	return values.map((value, i) => (value ? `M${i} ${height}V${level(value, top, height)}h1V${height}z` : "")).join("");
}

// The last hour of a queue: what was done as bars, what came as a line over them, and what failed.
export function sparkline(hour) {
	if (!hour) return h("span.spark.dim", "");
	const { came, done, failed } = hour;
	const top = Math.max(1, ...came, ...done);
	return h("svg.spark", { viewBox: `0 0 ${came.length} 22`, preserveAspectRatio: "none", role: "img" },
		h("title", `last hour: ${number(total(came))} came, ${number(total(done))} done, ${number(total(failed))} failed; at most ${number(top)} a minute`),
		h("path.done", { d: bars(done, top, 21) }),
		h("path.failed", { d: bars(failed, top, 21) }),
		h("path.came", { d: line(came, top, 21) }));
}

// A round number above all values, so that the scale seldom changes.
function ceiling(values, unit = 1) {
	const most = Math.max(0, ...values.filter(known)) / unit;
	if (!most) return unit;
	const ten = 10 ** Math.floor(Math.log10(most));
	return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * ten >= most) * ten * unit;
}

// `series`: [{name, tone, values, form(value)}]; `start`: of the first value, Unix time; `step`: seconds.
export function plot({ id, title, start, step, series }) {
	const count = series[0].values.length;
	const top = ceiling(series.flatMap((each) => each.values), series[0].unit);
	const column = at.get(id)?.[0];
	const read = column ?? count - 1;
	const form = series[0].form ?? rate;
	const value = (each) => (each.form ?? rate)(each.values[read]);
	const time = moment(start, step, read);
	const readout = `${time}: ${series.map((each) => `${each.name} ${value(each)}`).join(", ")}`;
	return figure(title, [
		h("span.dim", column === undefined ? "latest" : time),
		h("span.legend", series.map((each) => h("span", { class: each.tone }, each.name, " ", h("b", value(each)))))],
	slider({ id, title, start, step, count, rows: 100, read, readout }, [
		h("path.grid", { d: `M0 .3H${count}M0 50H${count}M0 99.7H${count}` }),
		series.map((each) => each.area && h("path", { class: `area ${each.tone}`, d: line(each.values, top, 100, true) })),
		series.map((each) => h("path", { class: `line ${each.tone}`, d: line(each.values, top, 100) })),
		column !== undefined && h("path.cursor", { d: `M${column + 0.5} 0V100` })],
	h("span.high.dim", form(top))));
}

const figure = (title, caption, body) => h("figure.plot", h("figcaption", h("h2", title), caption), body);
const moment = (start, step, column) => `${clock(start + column * step)}–${clock(start + (column + 1) * step)}`;

// Handler times: columns in time, rows by power of two; the darker, the more.
export function heatMap({ id, title, start, step, columns }) {
	const count = columns.length;
	const used = columns.flatMap((each) => (each ?? []).flatMap((n, range) => (n ? [range] : [])));
	if (!used.length) return figure(title, null, none("No handler has ended in this time."));
	const low = Math.max(0, Math.min(...used) - 1);
	const high = Math.max(...used) + 1;
	const rows = high - low + 1;
	const [column, row] = at.get(id) ?? [];
	const read = column ?? count - 1;
	const readout = heatText(columns[read], row === undefined ? undefined : high - row, moment(start, step, read));
	return figure(title, h("span.legend", h("span.read", readout)),
		slider({ id, title, start, step, count, rows, read, readout }, [
			shades(columns, high).map((d, i) => h("path.shade", { "fill-opacity": ((i + 1) / SHADES) ** 1.2, d })),
			column !== undefined && h("path.cursor", { d: `M${column} ${row ?? 0}h1v${row === undefined ? rows : 1}h-1z` })],
		marks(low, high)));
}

const SHADES = 6;
const upTo = (range) => 2 ** range / 1e6; // seconds

// One path for each shade: a thousand cells are six elements. The shade is of the logarithm.
function shades(columns, high) {
	const most = Math.max(1, ...columns.flat());
	const paths = Array(SHADES).fill("");
	columns.forEach((each, x) => each?.forEach((n, range) => {
		if (!n) return;
		const shade = Math.min(SHADES - 1, Math.floor((Math.log1p(n) / Math.log1p(most)) * SHADES));
		paths[shade] += `M${x} ${high - range}h1v1h-1z`;
	}));
	return paths;
}

function marks(low, high) {
	const found = [];
	const every = Math.ceil((high - low) / 5);
	for (let range = high; range > low; range -= every) found.push(h("span.range.dim", { "--at": (high - range) / (high - low + 1) }, span(upTo(range))));
	return found;
}

function heatText(column, range, when) {
	const all = total(column ?? []);
	if (!all) return `${when}: nothing ended`;
	const whole = `${number(all)} ended, p50 ≤ ${span(quantile(column, 0.5))}, p99 ≤ ${span(quantile(column, 0.99))}`;
	if (range === undefined) return `${when}: ${whole}`;
	return `${when}: ${number(column[range] ?? 0)} of ${number(all)} took ${span(upTo(range - 1))} to ${span(upTo(range))}`;
}

function quantile(counts, share) {
	let left = total(counts) * share;
	if (!left) return null;
	return upTo(counts.findIndex((n) => (left -= n ?? 0) <= 0));
}

// The box that is pointed at, or moved in with the arrows: these paths, and what is written over them.
function slider({ id, title, start, step, count, rows, read, readout }, paths, ...over) {
	const choose = (...place) => at.set(id, place.map((value, i) => Math.max(0, Math.min([count, rows][i] - 1, value))));
	const leave = () => at.delete(id);
	return h("div.slider", {
		tabindex: "0", role: "slider", "aria-label": `${title}, time`, "aria-valuemin": 0, "aria-valuemax": count - 1,
		"aria-valuenow": read, "aria-valuetext": readout,
		onpointermove(event) {
			const box = event.currentTarget.querySelector("svg").getBoundingClientRect();
			choose(Math.floor(((event.clientX - box.left) / box.width) * count), Math.floor(((event.clientY - box.top) / box.height) * rows));
		},
		onpointerleave: leave,
		onblur: leave,
		onkeydown(event) {
			const now = at.get(id)?.[0] ?? read;
			const column = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: count - 1 }[event.key];
			if (column === undefined) return;
			event.preventDefault();
			choose(column);
		},
	},
	h("svg", { viewBox: `0 0 ${count} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" }, paths),
	over,
	hours(start, step * count));
}

// Whole hours of the viewer's zone, a few of them; of an hour, ten minutes each.
function hours(start, length) {
	const size = length > 7200 ? 3 * 3600 : 600;
	const offset = new Date(start * 1000).getTimezoneOffset() * 60;
	const found = [];
	for (let t = Math.ceil((start - offset) / size) * size + offset; t < start + length; t += size) {
		const share = (t - start) / length;
		if (share > 0.03 && share < 0.97) found.push(h("span", { class: found.length % 2 ? "hour dim odd" : "hour dim", "--at": share }, clock(t)));
	}
	return found;
}
