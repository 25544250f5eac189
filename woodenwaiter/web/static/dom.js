// What the page is to be, as data; and the document made like it. Nodes are kept, not made anew:
// so focus, what is selected, hover and scrolled boxes outlive updates. Text is never read as HTML.

const SVG = "http://www.w3.org/2000/svg";

// An element, as h("p.dim", {title: "…"}, "text", …), with attributes or without. `key` tells it from
// its siblings, `on…` are listeners, `.x` properties and `--x` variables of CSS; those that are false,
// null or undefined are left out. So are such children, but they keep their place: those behind them
// stay what they are.
export function h(name, ...children) {
	const [tag, ...classes] = name.split(".");
	const attributes = children[0]?.constructor === Object ? children.shift() : {};
	if (classes.length) attributes.class = classes.join(" ");
	return Object.assign(new Wanted(), { tag, key: attributes.key, attributes, children: children.flat(Infinity).map(child) });
}

// What is to be: not a bare object, so that attributes are told from it.
class Wanted {}

function child(given) {
	if (given === null || given === undefined || given === false) return { text: "" };
	return typeof given === "object" ? given : { text: String(given) };
}

// An element that is made anew only if one of the inputs is another than last time.
export function memo(key, inputs, make) {
	return Object.assign(new Wanted(), { key, inputs, make });
}

const drawn = new WeakMap();

// Make what is in this node so; it has been drawn by this function only.
export function render(root, children) {
	const kept = holdFocus();
	const wanted = [children].flat(Infinity).map(child);
	change(root, drawn.get(root) ?? [], wanted, false);
	drawn.set(root, wanted);
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

function change(parent, before, after, svg) {
	const keyed = new Map();
	const rest = [];
	const gone = [];
	for (const old of before) old.key === undefined ? rest.push(old) : keyed.set(old.key, old);
	let next = 0;
	for (const now of after) {
		const old = now.key === undefined ? rest[next++] : keyed.get(now.key);
		if (now.key !== undefined) keyed.delete(now.key);
		if (old && alike(old, now)) {
			update(old, now, svg);
		} else {
			create(now, svg);
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

function alike(old, now) {
	return old.tag === now.tag && !old.make === !now.make;
}

function update(old, now, svg) {
	now.node = old.node;
	if (now.make) {
		const same = now.inputs.every((input, i) => input === old.inputs[i]);
		now.made = same ? old.made : now.make();
		if (!same) update(old.made, now.made, svg);
	} else if (now.tag) {
		attribute(now.node, old.attributes, now.attributes);
		change(now.node, old.children, now.children, svg || now.tag === "svg");
	} else if (now.node.data !== now.text) {
		now.node.data = now.text;
	}
}

function create(now, svg) {
	if (now.make) {
		now.made = now.make();
		create(now.made, svg);
		now.node = now.made.node;
	} else if (now.tag) {
		const inside = svg || now.tag === "svg";
		now.node = inside ? document.createElementNS(SVG, now.tag) : document.createElement(now.tag);
		change(now.node, [], now.children, inside);
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
	if (name.startsWith("on")) node[name] = value ? (event) => void value(event) : null; // false would prevent
	else if (name[0] === ".") value === null || node[name.slice(1)] === value || (node[name.slice(1)] = value);
	else if (name.startsWith("--")) node.style.setProperty(name, value ?? "");
	else if (value === null || value === undefined || value === false) node.removeAttribute(name);
	else node.setAttribute(name, value === true ? "" : value);
}

let draw = () => {};
let asked = 0;

// From now on, this is what the node has in it, whenever somebody asks for it to be drawn.
export function mount(root, make) {
	draw = () => render(root, make());
	redraw();
}

export function redraw() {
	asked ||= requestAnimationFrame(() => {
		asked = 0;
		draw();
	});
}
