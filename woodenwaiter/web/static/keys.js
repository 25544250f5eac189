// The keyboard. j and k move the focus itself from row to row, so that Enter, Tab and screen readers
// know where one is; and a table in which somebody has focus holds its order.

import { h, render } from "./dom.js";
import { AUDIT, go, HOME, HOSTS } from "./route.js";

const KEYS = [
  ["/", "to the filter"],
  ["j k", "next and previous row"],
  ["Enter", "open it"],
  ["x", "choose it, where rows can be chosen"],
  ["g o", "overview"],
  ["g h", "hosts"],
  ["g a", "audit"],
  ["Esc", "close, or leave the filter"],
  ["?", "these keys"],
];

let before = ""; // "g", for a second

export function listen() {
  addEventListener("keydown", press);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  const inside = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape") return escape(inside);
  if (inside) return;
  const done = before === "g" ? jump(event.key) : single(event);
  before = event.key === "g" && before !== "g" ? "g" : "";
  if (before) setTimeout(() => { before = ""; }, 1000);
  if (done) event.preventDefault();
}

function jump(key) {
  const to = { o: HOME, h: HOSTS, a: AUDIT }[key];
  if (to) go(to);
  return to;
}

function single(event) {
  switch (event.key) {
    case "/": return focus(document.querySelector("input[type=search]"));
    case "j": return step(1);
    case "k": return step(-1);
    case "x": return event.target.closest("tr")?.querySelector("input[type=checkbox]")?.click() ?? true;
    case "?": return showKeys();
    default: return false;
  }
}

function focus(element) {
  element?.focus();
  element?.select?.();
  return true;
}

function escape(inside) {
  if (inside?.type === "search" && inside.value) {
    inside.value = "";
    inside.dispatchEvent(new Event("input", { bubbles: true }));
  } else {
    document.activeElement?.blur();
  }
}

function step(by) {
  const rows = [...document.querySelectorAll("a.open")];
  const row = document.activeElement?.closest("tr, li")?.querySelector("a.open");
  const at = rows.indexOf(row);
  const next = at < 0 ? rows[by > 0 ? 0 : rows.length - 1] : rows[at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  return true;
}

export function showKeys() {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Keys");
  render(dialog, [
    h("h2", {}, "Keys"),
    h("dl", { class: "keys" }, KEYS.map(([keys, what]) => [h("dt", {}, keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, what)])),
    h("form", { method: "dialog", class: "buttons" }, h("button", { autofocus: true }, "Close")),
  ]);
  dialog.onclose = () => dialog.remove();
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  document.body.append(dialog);
  dialog.showModal();
  return true;
}
