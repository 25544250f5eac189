// All queues: what is wrong first, then sums, then each of them.

import { me } from "./api.js";
import { h, memo, redraw } from "./dom.js";
import { between, many, number, rate, span } from "./format.js";
import { badge, figures, link } from "./pieces.js";
import { sparkline } from "./plots.js";
import { asked, HOSTS, note, toDead, toQueue } from "./route.js";
import { part, under } from "./stream.js";
import { figure, filter, table } from "./table.js";
import { act, may } from "./verbs.js";

const MOST_FINDINGS = 6;

const hour = (queue) => part(`hour/${queue.key}`);
const minute = (id, label, title, more) => figure(id, label, title, "4.5rem", rate, { value: (queue) => queue.rates?.[id], ...more });
const range = (id, label, title, more) =>
	figure(id, label, title, "5.75rem", between, { value: (queue) => queue[id]?.[0], cell: (queue) => between(queue[id]), ...more });

const COLUMNS = [
	{ id: "name", label: "Queue", width: "minmax(9rem, 1fr)", value: (queue) => queue.name, cell: name },
	{ id: "hour", label: "Last hour", title: "A minute: what came (line), was done and failed (bars)", width: "7.5rem", wide: true,
		cell: (queue) => memo("hour", [hour(queue)], () => sparkline(hour(queue))) },
	figure("waiting", "Waiting", "Tasks that nobody has claimed", "5.25rem"),
	range("oldest", "Oldest", "How long that one waits which waits longest",
		{ cell: (queue) => h("span", { class: me.late && queue.oldest?.[0] > me.late ? "warn" : null }, between(queue.oldest)) }),
	figure("running", "Running", "Tasks that run", "4.75rem"),
	figure("delayed", "Delayed", "Tasks that wait for another delivery", "4.75rem", number, { minor: true }),
	figure("dead", "Dead", "Dead letters", "5rem", number, { cell: dead }),
	minute("came", "In/m", "Tasks that came in the last minute", { minor: true }),
	minute("done", "Done/m", "Tasks whose handler returned in the last minute"),
	minute("failed", "Fail/m", "Deliveries that failed in the last minute"),
	figure("p50", "p50", "Half of the handlers ended within", "4.25rem", span, { minor: true }),
	figure("p99", "p99", "99 of 100 handlers ended within", "4.25rem", span, { minor: true }),
	figure("workers", "Workers", "Workers that take tasks", "4.75rem"),
	range("drained", "Empty in", "When nothing will wait any more"),
];

function name(queue) {
	return h("div.name", link(toQueue(queue.key), queue.name, { class: "open" }),
		queue.paused && badge("warn", "paused", queue.paused.why), queue.trouble && badge("bad", "unreadable", queue.trouble));
}

function dead(queue) {
	if (!queue.dead) return number(queue.dead);
	return h("a", { href: toDead(queue.key), class: "dead", "aria-label": many(queue.dead, "dead letter") }, number(queue.dead));
}

const ONLY = {
	waiting: ["waiting", (queue) => queue.waiting > 0],
	dead: ["with dead letters", (queue) => queue.dead > 0],
	failing: ["failing", (queue) => queue.rates?.failed > 0],
	paused: ["paused", (queue) => queue.paused],
	unserved: ["unserved", (queue) => queue.workers === 0],
};

export function open() {
	const names = filter("queues", (queue) => queue.name);
	let only = asked("only");
	let all = false;
	const list = table({
		name: "queues", label: "Queues", columns: COLUMNS, key: (queue) => queue.key, sort: "name",
		inputs: (queue) => [queue, hour(queue)],
		tone: (queue) => queue.trouble && "bad",
	});

	const narrow = (wanted) => {
		only = wanted;
		note({ only });
		redraw();
	};

	function queues(found) {
		const named = names.rows(found);
		const shown = ONLY[only] ? named.filter(ONLY[only][1]) : named;
		return h("section", { key: "queues", "aria-labelledby": "queues" },
			h("div.toolbar",
				h("h2", { id: "queues" }, "Queues"),
				names.box(shown.length, found.length),
				h("div.chips", { role: "group", "aria-label": "Only those" }, Object.entries(ONLY).map(([id, [label, test]]) =>
					h("button", { key: id, "aria-pressed": String(only === id), onclick: () => narrow(only === id ? "" : id) },
						label, " ", h("b", number(named.filter(test).length)))))),
			shown.length ? list.draw(shown)
				: h("p.note", "No queue is like that. ", h("button", { onclick: () => { names.change(""); narrow(""); } }, "Show all")));
	}

	return {
		view: "overview",
		parameters: {},
		title() {
			const wrong = (part("findings") ?? []).filter((finding) => finding.grade === "trouble").length;
			return wrong ? `(${wrong}) Queues` : "Queues";
		},
		draw() {
			const found = under("queue/");
			return [
				h("h1.unseen", "Overview"),
				findings(part("findings") ?? [], all, () => { all = !all; redraw(); }),
				totals(part("totals")),
				found.length ? queues(found) : nothingYet(),
			];
		},
	};
}

function findings(list, all, more) {
	return h("section.findings", { key: "findings", "aria-label": "What is wrong" },
		list.length ? h("ul", list.slice(0, all ? undefined : MOST_FINDINGS).map(finding))
			: h("p.well", h("span.sign", { "aria-hidden": "true" }, "✓"), "Nothing is wrong."),
		list.length > MOST_FINDINGS && h("button.quiet", { onclick: more }, all ? "Show fewer" : `Show ${list.length - MOST_FINDINGS} more`));
}

function finding(each) {
	const to = each.verb === "dead" ? toDead : toQueue;
	const queues = each.queues.map((queue, i) => [i ? ", " : " ", link(to(queue.key), queue.name)]);
	return h("li", { key: each.about + each.text, class: each.grade },
		h("span.sign", { role: "img", "aria-label": each.grade }, each.grade === "trouble" ? "!" : "–"),
		h("div",
			h("p", sentence(each.text), queues, each.more > 0 && ` and ${number(each.more)} more`, "."),
			each.remedy && h("p.dim", sentence(each.remedy), ".")),
		remedy(each));
}

// As the commands say it, but with a beginning and an end.
const sentence = (text) => (text[0] ?? "").toUpperCase() + text.slice(1).replace(/\.$/, "");

function remedy({ verb, queues, more }) {
	if (verb === "hosts") return h("a.button", { href: HOSTS }, "Hosts");
	if (!queues.length) return null;
	if (verb === "dead") return h("a.button", { href: toDead(queues[0].key) }, "Dead letters");
	if (verb === "queue") return h("a.button", { href: toQueue(queues[0].key) }, "Look at it");
	if (verb !== "resume" || !may()) return null;
	const resume = () => queues.forEach((queue) => act({ verb: "resume", queue: queue.key }));
	return h("button", { onclick: resume }, queues.length > 1 ? `Resume ${more ? "these" : "all"} ${queues.length}` : "Resume");
}

export const totals = (sums) => sums && figures([
	["Waiting", number(sums.waiting)], ["Running", number(sums.running)], ["Delayed", number(sums.delayed)],
	["Dead letters", number(sums.dead), sums.dead && "bad"],
	["In a minute", rate(sums.came)], ["Done a minute", rate(sums.done)], ["Failed a minute", rate(sums.failed), sums.failed && "bad"],
	["Workers", number(sums.workers)], ["Hosts", number(sums.hosts)]]);

const nothingYet = () =>
	h("section.empty", { key: "empty" },
		h("h2", "No queue yet"),
		h("p", "A queue is here once a supervisor serves it. Start one for the manager in tasks.py:"),
		h("pre", "python -m woodenwaiter.supervisor tasks --redis redis://localhost:6379/0"),
		h("p", "And push a first task, from any shell:"),
		h("pre", "woodenwaiter put images:resize '{\"file\": \"cat.png\"}'"),
		h("p.dim", "This page shows it by itself."));
