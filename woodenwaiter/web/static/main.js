// The frame around all pages: it reads the address, has the page of it drawn, and follows its stream.

import { introduce, me, PREFIX } from "./api.js";
import * as audit from "./audit.js";
import { h, mount, redraw } from "./dom.js";
import { clockExact } from "./format.js";
import * as host from "./host.js";
import * as hosts from "./hosts.js";
import { listen, showKeys } from "./keys.js";
import * as letter from "./letter.js";
import * as letters from "./letters.js";
import * as overview from "./overview.js";
import { note } from "./pieces.js";
import * as queue from "./queue.js";
import { AUDIT, HOME, HOSTS, place, settle, watch } from "./route.js";
import { follow, stream } from "./stream.js";
import { toasts } from "./verbs.js";

const PAGES = { overview, queue, letters, letter, hosts, host, audit };

let here = { page: "" };
let visits = 0;
let page = null; // what the module's `open(place)` returned: {view, parameters, title(), draw(), close()}

function arrive(byLink) {
	here = place();
	visits += 1;
	page?.close?.();
	page = PAGES[here.page]?.open(here);
	if (page) follow(page.view, page.parameters);
	redraw();
	if (byLink) requestAnimationFrame(() => document.getElementById("main").focus({ preventScroll: true }));
}

function frame() {
	document.title = title();
	const drawn = [header(), h("main", { id: "main", tabindex: "-1", key: "main" }, content()), footer(), bar(), toasts()];
	requestAnimationFrame(settle);
	return drawn;
}

function title() {
	const of = page?.title();
	return of ? `${of} · WoodenWaiter` : "WoodenWaiter";
}

function content() {
	if (here.page === "nowhere") return note("There is no such page", h("a", { href: HOME }, "To the overview"));
	if (!page) return null;
	// Nodes are kept for one visit: what was typed in fields is not to stay behind.
	return h("div", { key: visits, class: "page" }, stream.ready ? page.draw() : waiting());
}

const waiting = () => [h("h1.unseen", page.title()), h("p.note.late", stream.trouble || "Reading…")];

function header() {
	const link = (to, text, pages) => h("a", { href: to, "aria-current": pages.includes(here.page) ? "page" : null }, text);
	return h("header", { key: "header" },
		h("a", { href: HOME, class: "brand", "aria-label": "WoodenWaiter, overview" },
			h("img", { src: `${PREFIX}/static/icon.svg`, alt: "", width: 20, height: 20 }), h("span", "WoodenWaiter")),
		h("nav", { "aria-label": "Pages" },
			link(HOME, "Queues", ["overview", "queue", "letters", "letter"]), link(HOSTS, "Hosts", ["hosts", "host"]), link(AUDIT, "Audit", ["audit"])),
		h("div.self",
			me.readOnly && me.release && h("span.badge", "read-only"),
			me.user && h("span.user.dim", { title: "You" }, me.user),
			me.canLogOut && h("form", { method: "post", action: `${PREFIX}/logout` },
				h("button.quiet", "Log out")),
			h("button.quiet.icon", { "aria-label": "Dark or light", title: "Dark or light", onclick: turnTheme }, "◐"),
			h("button.quiet.icon", { "aria-label": "Keys", title: "Keys (?)", onclick: showKeys }, "?")));
}

function turnTheme() {
	const root = document.documentElement;
	const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
	root.dataset.theme = dark ? "light" : "dark";
	try {
		localStorage.setItem("theme", root.dataset.theme);
	} catch {
		// Storage is forbidden: then it lasts as long as the page.
	}
}

const footer = () =>
	h("footer.dim", { key: "footer" }, h("span", me.address), h("span", me.release && `WoodenWaiter ${me.release}`));

// A line at the lower edge, over nothing that moves.
function bar() {
	const lost = stream.lost && [`No connection since ${clockExact(stream.lost / 1000)}. What you see is from then; it is tried again.`];
	const trouble = stream.trouble && [`Redis cannot be read: ${stream.trouble}`];
	return h("div.bar", { key: "bar", role: "status", hidden: !lost && !trouble }, lost || trouble);
}

async function start() {
	mount(document.getElementById("page"), frame);
	listen();
	watch(arrive);
	await known();
	arrive(false);
}

// Nothing is shown before it is known what may be done.
async function known() {
	while (!me.release) {
		await introduce().catch(() => {
			stream.lost ||= Date.now();
			redraw();
			return new Promise((resolve) => setTimeout(resolve, 3000));
		});
	}
	stream.lost = 0;
}

start();
