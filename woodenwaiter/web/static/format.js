// Numbers and times as people read them; each has a width that changes little.

import { h, known } from "./dom.js";

const NONE = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

// A form of what may not be known.
const told = (form) => (value) => (known(value) ? form(value) : NONE);

export const number = told(whole.format);

export const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

export const many = (value, one) => `${number(value)} ${one}${value === 1 ? "" : "s"}`;

// A minute; tenths where they say something.
export const rate = told((value) => (value < 9.95 ? fine : whole).format(value));

export const bytes = told((value) => {
	if (value < 1024) return `${value} B`;
	const [length, unit] = value < 2 ** 20 ? [1024, "KiB"] : value < 2 ** 30 ? [2 ** 20, "MiB"] : [2 ** 30, "GiB"];
	return `${rate(value / length)} ${unit}`;
});

export const percent = told((value) => `${whole.format(value)} %`);

const UNITS = [["d", 86400], ["h", 3600], ["min", 60]];
const unitFor = (seconds) => UNITS.find(([, length]) => seconds >= 2 * length) ?? ["s", 1];

// How long that is, with two digits, as the commands say it; down to microseconds.
export const span = told((seconds) => {
	if (seconds > 0 && seconds < 0.9995) {
		const [value, unit] = seconds < 0.0009995 ? [seconds * 1e6, "µs"] : [seconds * 1e3, "ms"];
		return `${rate(value)} ${unit}`;
	}
	const [unit, length] = unitFor(seconds);
	const value = seconds / length;
	return `${value.toFixed(value < 9.95 ? 1 : 0)} ${unit}`;
});

// A range of seconds, whose end nobody may know.
export function between(range) {
	if (!range) return NONE;
	const [least, most] = range;
	const [unit, length] = unitFor(most ?? least);
	const low = Math.floor(least / length);
	if (most === null) return `≥ ${low} ${unit}`;
	const high = Math.ceil(most / length);
	if (!low) return `≤ ${high} ${unit}`;
	return low === high ? `${low} ${unit}` : `${low}–${high} ${unit}`;
}

// The server's clock: what it says is the time, and what has passed since by ours.
let ahead = 0;
export const setNow = (server) => { ahead = server - Date.now() / 1000; };
export const now = () => Date.now() / 1000 + ahead;

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
export const when = (at) => absolute.format(at * 1000);
export const clock = (at) => hours.format(at * 1000);

const coarse = (value) => { const [unit, length] = unitFor(value); return `${Math.floor(value / length)} ${unit}`; };

// How the text of a time is made of the seconds that have passed.
const FORMS = {
	ago: (passed) => (passed < -2 ? `in ${coarse(-passed)}` : `${coarse(Math.max(0, passed))} ago`),
	for: (passed) => coarse(Math.max(0, passed)),
	due: (passed) => (passed < 0 ? `in ${coarse(-passed)}` : "now"),
};

// A time, relative; the absolute one when it is pointed at. `form`: one of FORMS.
export function time(at, form = "ago") {
	const date = new Date(at * 1000);
	if (!known(at) || Number.isNaN(date.getTime())) return NONE;
	const attributes = { datetime: date.toISOString(), title: when(at), "data-at": at, "data-form": form };
	return h("time", attributes, FORMS[form](now() - at));
}

// One timer keeps them all current.
setInterval(() => {
	if (document.hidden) return;
	for (const each of document.querySelectorAll("time[data-at]")) {
		const text = FORMS[each.dataset.form](now() - each.dataset.at);
		if (each.firstChild.data !== text) each.firstChild.data = text;
	}
}, 1000);
