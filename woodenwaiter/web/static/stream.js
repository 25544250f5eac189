// What the server tells of a view, as it comes.

import { address, introduce } from "./api.js";
import { redraw } from "./dom.js";
import { setNow } from "./format.js";

const SILENT = 10_000; // milliseconds until a connection counts as lost

// What is drawn: `parts` by name; `ready`: there are some. `lost`: since when nothing was heard,
// milliseconds by our clock, or 0. `trouble`: why the server cannot read Redis.
export const stream = { parts: new Map(), ready: false, lost: 0, trouble: "" };

let wanted = "";
let source = null;
let heard = Date.now();
let again = 0;
let pause = 1000;
let broken = false; // so that the server may be another when it is heard again

// Show this view from now on. What goes on is told in every view, so it is not forgotten between two.
export function follow(view, parameters) {
	wanted = address("events", { view, ...parameters });
	stream.parts = new Map([...stream.parts].filter(([name]) => name.startsWith("job/")));
	stream.ready = false;
	connect();
}

function connect() {
	source?.close();
	clearTimeout(again);
	source = null;
	if (document.hidden) return;
	heard = Date.now();
	source = new EventSource(wanted);
	source.onmessage = (event) => hear(JSON.parse(event.data));
	source.onerror = () => {
		broken = true;
		if (source?.readyState === EventSource.CLOSED) retry();
	};
}

// Refused, so the browser does not try again: perhaps nobody is logged in any more.
function retry() {
	stream.lost ||= Date.now();
	again = setTimeout(() => introduce().catch(() => {}).then(connect), pause * (0.75 + Math.random() / 2));
	pause = Math.min(2 * pause, 15_000);
	redraw();
}

function hear(message) {
	heard = Date.now();
	pause = 1000;
	setNow(message.now);
	if (message.full) stream.parts = new Map();
	for (const [name, value] of Object.entries(message.parts ?? {})) stream.parts.set(name, value);
	for (const name of message.gone ?? []) stream.parts.delete(name);
	if (broken || stream.lost) introduce().then(redraw, () => {});
	broken = false;
	Object.assign(stream, { ready: true, lost: 0, trouble: message.trouble ?? "" });
	redraw();
}

setInterval(() => {
	if (document.hidden || !wanted || Date.now() - heard < SILENT) return;
	stream.lost ||= heard;
	if (source && source.readyState !== EventSource.CLOSED) connect(); // it may be half dead
	redraw();
}, 1000);

document.addEventListener("visibilitychange", () => wanted && connect());
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && wanted && connect());

// The values of parts of one kind, as "queue/", in their order.
export const under = (prefix) => [...stream.parts].filter(([name, value]) => name.startsWith(prefix) && value).map(([, value]) => value);

export const part = (name) => stream.parts.get(name);
