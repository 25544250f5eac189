// What several pages have.

import { me } from "./api.js";
import { h, known } from "./dom.js";
import { number } from "./format.js";

const told = (value) => (typeof value === "number" ? number(value) : value);

// `links`: [to, text], from the outermost; `title` and `verbs`: what stands in the heading, and beside it.
export const heading = (links, title, verbs) =>
	h("div.heading",
		h("div",
			h("nav.crumbs", { "aria-label": "Where this is" }, links.map(([to, text], i) => [i > 0 && " / ", h("a", { href: to }, h("bdi", text))])),
			title),
		verbs);

// `cells`: [label, value, tone, title].
export const figures = (cells) =>
	h("dl.figures", cells.map(([label, value, tone, title]) => h("div", { class: tone, title }, h("dt", label), h("dd", told(value ?? "–")))));

export const panel = (title, count, tools, ...body) =>
	h("section", { "aria-label": title },
		h("div.toolbar", h("h2", title), known(count) && h("span.dim.count", told(count)), tools),
		body);

export const fieldList = (fields) => h("dl.fields", fields.map(([name, value]) => [h("dt", name), h("dd", value)]));
export const note = (title, ...text) => h("div.note", h("h1", title), h("p", text));
export const none = (text) => h("p.none", text);
export const notice = (tone, ...text) => h("p", { class: `notice ${tone}` }, text);
export const badge = (tone, text, title) => h("span", { class: `badge ${tone}`, title }, text);
export const link = (to, text, given) => h("a", { href: to, title: text, ...given }, h("bdi", text));
export const button = (text, onclick, tone, given) => h("button", { class: tone, onclick, ...given }, text);

export const startOne = () => h("pre", `python -m woodenwaiter.supervisor tasks --redis ${me.address}`);
