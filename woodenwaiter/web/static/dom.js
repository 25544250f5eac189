// What the page is to be, as data; and the document made like it. Nodes are kept, not made anew:
// so focus, what is selected, hover and scrolled boxes outlive updates. Text is never read as HTML.

const SVG = "http://www.w3.org/2000/svg";

// An element, as h("p.dim", {title: "…"}, "text", …), with attributes or without. `key` tells it from
// its siblings, `on…` are listeners, after which all is drawn anew, `.x` properties and `--x` variables
// of CSS; those that are false, null or undefined are left out. So are such children, but they keep
// their place: those behind them stay what they are.
export function h(name, ...children) {
	const [tag, ...classes] = name.split(".");
	const attributes = children[0]?.constructor === Object ? children.shift() : {};
	if (classes.length) attributes.class = classes.join(" ");
	return wanted({ tag, key: attributes.key, attributes, children: children.flat(Infinity).map(child) });
}

// No plain object, so that attributes are told from it.
const wanted = (given) => Object.assign(Object.create(null), given);

export const known = (value) => value !== null && value !== undefined;

function child(given) {
	if (!known(given) || given === false) return { text: "" };
	return typeof given === "object" ? given : { text: String(given) };
}

// An element that is made anew only if one of the inputs is another than last time.
export function memo(key, inputs, make) {
	return wanted({ key, inputs, make });
}

const drawn = new WeakMap();

// Make what is in this node so; it has been drawn by this function only.
function render(root, children) {
	const kept = holdFocus();
	const now = [children].flat(Infinity).map(child);
	change(root, drawn.get(root) ?? [], now);
	drawn.set(root, now);
	kept();
}

// Moving a node takes its focus; and where it has gone, whoever used the keyboard goes on beside it.
function holdFocus() {
	const active = document.activeElement;
	const row = active?.closest("tr");
	const rows = row?.parentNode;
	const at = row ? [...rows.children].indexOf(row) : -1;
	return () => {
		if (!active || active === document.body || document.activeElement === active) return;
		if (active.isConnected) return active.focus({ preventScroll: true });
		const beside = rows?.isConnected && rows.children[Math.min(at, rows.children.length - 1)];
		const next = (beside && beside.querySelector("a, button")) || document.getElementById("main");
		next?.focus({ preventScroll: true });
	};
}

function change(parent, before, after) {
	const keyed = new Map();
	const rest = [];
	const gone = [];
	for (const old of before) old.key === undefined ? rest.push(old) : keyed.set(old.key, old);
	let next = 0;
	for (const now of after) {
		const old = now.key === undefined ? rest[next++] : keyed.get(now.key);
		if (now.key !== undefined) keyed.delete(now.key);
		if (old && old.tag === now.tag && !old.make === !now.make) {
			update(old, now);
		} else {
			create(now, parent);
			if (old) gone.push(old);
		}
	}
	for (const old of [...gone, ...rest.slice(next), ...keyed.values()]) old.node.remove();
	let place = parent.firstChild;
	for (const { node } of after) {
		if (node === place) place = place.nextSibling;
		else parent.insertBefore(node, place);
	}
}

function update(old, now) {
	now.node = old.node;
	if (now.make) {
		const same = now.inputs.every((input, i) => input === old.inputs[i]);
		now.made = same ? old.made : now.make();
		if (!same) update(old.made, now.made);
	} else if (now.tag) {
		attribute(now.node, old.attributes, now.attributes);
		change(now.node, old.children, now.children);
	} else if (now.node.data !== now.text) {
		now.node.data = now.text;
	}
}

function create(now, parent) {
	if (now.make) {
		now.made = now.make();
		create(now.made, parent);
		now.node = now.made.node;
	} else if (now.tag) {
		now.node = document.createElementNS(now.tag === "svg" ? SVG : parent.namespaceURI, now.tag);
		change(now.node, [], now.children);
		attribute(now.node, {}, now.attributes);
	} else {
		now.node = document.createTextNode(now.text);
	}
}

function attribute(node, before, after) {
	for (const name in before) if (!(name in after)) put(node, name, null);
	for (const name in after) {
		const value = after[name];
		if (name[0] === "." || before[name] !== value) put(node, name, value);
	}
}

function put(node, name, value) {
	if (name === "key") return;
	if (name.startsWith("on")) node[name] = value && ((event) => { value(event); redraw(); });
	else if (name[0] === ".") value === null || node[name.slice(1)] === value || (node[name.slice(1)] = value);
	else if (name.startsWith("--")) node.style.setProperty(name, value ?? "");
	else if (!known(value) || value === false) node.removeAttribute(name);
	else node.setAttribute(name, value === true ? "" : value);
}

const mounted = new Map();
let asked = 0;

// From now on, this is what the node has in it, while it is in the document.
export function mount(root, make) {
	mounted.set(root, make);
	render(root, make());
}

export function redraw() {
	asked ||= requestAnimationFrame(() => {
		asked = 0;
		for (const [root, make] of mounted) root.isConnected ? render(root, make()) : mounted.delete(root);
	});
}
