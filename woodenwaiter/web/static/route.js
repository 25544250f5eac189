// Which page an address means. The names of queues and hosts in it are passed on as they are.

import { PREFIX, query } from "./api.js";

export const HOME = `${PREFIX}/`;
export const HOSTS = `${PREFIX}/hosts`;
export const AUDIT = `${PREFIX}/audit`;
export const toQueue = (key) => `${PREFIX}/queues/${key}`;
export const toDead = (key, filter = {}) => `${PREFIX}/queues/${key}/dead${query(filter)}`;
export const toLetter = (key, letter) => `${PREFIX}/queues/${key}/dead/${letter}`;
export const toHost = (document) => `${PREFIX}/hosts/${document}`;

const PAGES = {
	overview: /^$/, hosts: /^hosts$/, audit: /^audit$/, host: /^hosts\/(?<document>[^/]+)$/,
	queue: /^queues\/(?<key>[^/]+)$/, letters: /^queues\/(?<key>[^/]+)\/dead$/, letter: /^queues\/(?<key>[^/]+)\/dead\/(?<letter>[^/]+)$/,
};

// {page, and what it is of}.
export function place() {
	const path = location.pathname.slice(HOME.length).replace(/\/$/, "");
	const page = Object.keys(PAGES).find((each) => PAGES[each].test(path)) ?? "nowhere";
	return { page, ...PAGES[page]?.exec(path).groups };
}

export const asked = (name) => new URLSearchParams(location.search).get(name) ?? "";

// Change what the address says of the view, without a step in the history.
export function note(changes) {
	const wanted = { ...Object.fromEntries(new URLSearchParams(location.search)), ...changes };
	history.replaceState(history.state, "", location.pathname + query(wanted));
}

let arrive = () => {};
let target = null; // how far down we were, until there is enough to scroll

export function go(to) {
	if (new URL(to, location).href === location.href) return;
	keepScroll();
	history.pushState({}, "", to);
	target = null;
	arrive(true);
	scrollTo(0, 0);
}

// `arrived(by a link)` is called at each change of page.
export function watch(arrived) {
	arrive = arrived;
	history.scrollRestoration = "manual";
	target = history.state?.scroll ?? null;
	addEventListener("popstate", () => {
		target = history.state?.scroll ?? 0;
		arrive(false);
	});
	addEventListener("pagehide", keepScroll);
	let soon = 0;
	addEventListener("scroll", () => {
		clearTimeout(soon);
		soon = setTimeout(() => target === null && keepScroll(), 150);
	}, { passive: true });
	for (const kind of ["wheel", "touchstart", "keydown"]) addEventListener(kind, () => { target = null; }, { passive: true });
	document.addEventListener("click", follow);
}

function keepScroll() {
	history.replaceState({ ...history.state, scroll: scrollY }, "");
}

// After each drawing: go to where we were, once the page is long enough.
export function settle() {
	if (target === null) return;
	scrollTo(0, target);
	if (Math.abs(scrollY - target) < 2) target = null;
}

// Links are links, so that Ctrl, the middle button and "copy address" do what they do.
function follow(event) {
	if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
	const link = event.target.closest("a[href]");
	if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
	if (!(link.pathname + "/").startsWith(HOME) || link.pathname === `${PREFIX}/login`) return;
	if (link.hash && link.pathname === location.pathname) return;
	event.preventDefault();
	go(link.href);
}
