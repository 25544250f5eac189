// The frame around all pages: it reads the address, has the page of it drawn, and follows its stream.

import { introduce, me, PREFIX } from "./api.js";
import { auditPage } from "./audit.js";
import { h, mount, redraw } from "./dom.js";
import { when } from "./format.js";
import { hostPage, hostsPage } from "./hosts.js";
import { listen, showKeys } from "./keys.js";
import { letterPage, lettersPage } from "./letters.js";
import { overviewPage } from "./overview.js";
import { button, note } from "./pieces.js";
import { queuePage } from "./queue.js";
import { AUDIT, HOME, HOSTS, place, settle, watch } from "./route.js";
import { follow, stream } from "./stream.js";
import { toasts } from "./verbs.js";

const PAGES = {
	overview: overviewPage, queue: queuePage, letters: lettersPage, letter: letterPage, hosts: hostsPage, host: hostPage, audit: auditPage,
};

let here = { page: "" };
let visits = 0;
let page = null; // what its function made of the place: {view, parameters, title(), draw(), close()}

function arrive(byLink) {
	here = place();
	visits += 1;
	page?.close?.();
	page = PAGES[here.page]?.(here);
	if (page) follow(page.view, page.parameters);
	redraw();
	if (byLink) requestAnimationFrame(() => document.getElementById("main").focus({ preventScroll: true }));
}

function frame() {
	document.title = page ? `${page.title()} · WoodenWaiter` : "WoodenWaiter";
	requestAnimationFrame(settle);
	return [
		header(), h("main", { id: "main", tabindex: "-1" }, content()),
		h("footer.dim", h("span", me.address), h("span", me.release && `WoodenWaiter ${me.release}`)), bar(), toasts()];
}

function content() {
	if (here.page === "nowhere") return note("There is no such page", h("a", { href: HOME }, "To the overview"));
	if (!page) return null;
	// Nodes are kept for one visit: what was typed in fields is not to stay behind.
	return h("div.page", { key: visits }, stream.ready ? page.draw() : [h("h1.unseen", page.title()), h("p.note.late", stream.trouble || "Reading…")]);
}

function header() {
	const link = (to, text, pages) => h("a", { href: to, "aria-current": pages.includes(here.page) ? "page" : null }, text);
	const icon = (sign, act, title) => button(sign, act, "quiet icon", { "aria-label": title, title });
	return h("header",
		h("a", { href: HOME, class: "brand", "aria-label": "WoodenWaiter, overview" },
			h("img", { src: `${PREFIX}/static/icon.svg`, alt: "", width: 20, height: 20 }), h("span", "WoodenWaiter")),
		h("nav", { "aria-label": "Pages" },
			link(HOME, "Queues", ["overview", "queue", "letters", "letter"]), link(HOSTS, "Hosts", ["hosts", "host"]), link(AUDIT, "Audit", ["audit"])),
		h("div.self",
			me.readOnly && me.release && h("span.badge", "read-only"),
			me.user && h("span.user.dim", { title: "You" }, me.user),
			me.canLogOut && h("form", { method: "post", action: `${PREFIX}/logout` },
				h("button.quiet", "Log out")),
			icon("◐", turnTheme, "Dark or light"), icon("?", showKeys, "Keys")));
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

// A line at the lower edge, over nothing that moves.
function bar() {
	const text = stream.lost ? `No connection since ${when(stream.lost / 1000)}. What you see is from then; it is tried again.`
		: stream.trouble ? `Redis cannot be read: ${stream.trouble}`
			: me.release !== me.loaded && "This page is of an earlier release: reload it.";
	return h("div.bar", { role: "status", hidden: !text }, text);
}

async function start() {
	mount(document.getElementById("page"), frame);
	listen();
	watch(arrive);
	// Nothing is shown before it is known what may be done.
	while (!me.release) {
		await introduce().catch(() => {
			stream.lost ||= Date.now();
			redraw();
			return new Promise((resolve) => setTimeout(resolve, 3000));
		});
	}
	stream.lost = 0;
	arrive(false);
}

start();
