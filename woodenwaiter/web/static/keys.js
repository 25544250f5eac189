// The keyboard. j and k move the focus itself from row to row, so that Enter, Tab and screen readers
// know where one is; and a table in which somebody has focus holds its order.

import { h, mount } from "./dom.js";
import { fieldList } from "./pieces.js";
import { AUDIT, go, HOME, HOSTS } from "./route.js";

const KEYS = {
	"/": ["to the filter", () => focus(document.querySelector("input[type=search]"))],
	j: ["next row", () => step(1)],
	k: ["previous row", () => step(-1)],
	Enter: ["open it"],
	x: ["choose it, where rows can be chosen", () => document.activeElement.closest("tr")?.querySelector("input")?.click()],
	"g o": ["to the overview", () => go(HOME)],
	"g h": ["to the hosts", () => go(HOSTS)],
	"g a": ["to the audit", () => go(AUDIT)],
	Escape: ["close, or leave the filter"],
	"?": ["these keys", showKeys],
};

let before = ""; // "g ", for a second

export function listen() {
	addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
		const inside = event.target.closest("input:not([type=checkbox]), textarea, select");
		if (event.key === "Escape") return document.activeElement?.blur();
		const act = !inside && KEYS[before + event.key]?.[1];
		before = !before && event.key === "g" ? "g " : "";
		setTimeout(() => { before = ""; }, 1000);
		if (!act) return;
		event.preventDefault();
		act();
	});
}

function focus(element) {
	element?.focus();
	element?.select();
}

function step(by) {
	const rows = [...document.querySelectorAll("a.open")];
	const at = rows.indexOf(document.activeElement?.closest("tr")?.querySelector("a.open"));
	const next = at < 0 ? rows.at(by > 0 ? 0 : -1) : rows[at + by];
	next?.focus();
	next?.scrollIntoView({ block: "nearest" });
}

export function showKeys() {
	popUp("Keys", () => [
		h("h2", "Keys"),
		fieldList(Object.entries(KEYS).map(([keys, [what]]) => [keys.split(" ").map((key) => h("kbd", key)), what])),
		h("form.buttons", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
	]);
}

// A dialog with that in it, until it is closed, also by a click beside it.
export function popUp(label, content, closed) {
	const dialog = document.createElement("dialog");
	dialog.setAttribute("aria-label", label);
	dialog.onclose = () => {
		dialog.remove();
		closed?.();
	};
	dialog.onclick = (event) => void (event.target === dialog && dialog.close());
	document.body.append(dialog);
	mount(dialog, content);
	dialog.showModal();
	return dialog;
}
