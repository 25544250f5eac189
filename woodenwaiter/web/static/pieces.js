// What several pages have.

import { h } from "./dom.js";
import { number } from "./format.js";

// `links`: [to, text], from the outermost; `title` and `verbs`: what stands in the heading, and beside it.
export const heading = (links, title, verbs) =>
	h("div.heading", { key: "heading" },
		h("div",
			h("nav.crumbs", { "aria-label": "Where this is" }, links.map(([to, text], i) => [i > 0 && " / ", h("a", { href: to }, h("bdi", text))])),
			title),
		verbs);

// `cells`: [label, value, tone, title].
export const figures = (cells) =>
	h("dl.figures", { key: "figures" },
		cells.map(([label, value, tone, title]) => h("div", { key: label, class: tone, title }, h("dt", label), h("dd", value))));

export const panel = (title, count, tools, ...body) =>
	h("section", { key: title, class: "panel", "aria-label": title },
		h("div.toolbar", h("h2", title), count !== null && h("span.dim.count", typeof count === "number" ? number(count) : count), tools),
		body);

export const note = (title, ...text) => h("div.note", { key: "note" }, h("h1", title), h("p", text));
export const none = (text) => h("p.none", text);
export const badge = (tone, text, title) => h("span", { class: `badge ${tone}`, title }, text);
export const link = (to, text, given) => h("a", { href: to, title: text, ...given }, h("bdi", text));
