// All queues: what is wrong first, then sums, then each of them.

import { me } from "./api.js";
import { h, memo } from "./dom.js";
import { between, capital, many, number, rate, span } from "./format.js";
import { badge, button, figures, link, panel, startOne } from "./pieces.js";
import { sparkline } from "./plots.js";
import { asked, HOSTS, note, toDead, toQueue } from "./route.js";
import { part, stream, under } from "./stream.js";
import { column, figure, filter, table, words } from "./table.js";
import { may, resume } from "./verbs.js";

const MOST_FINDINGS = 6;

const hour = (queue) => part(`hour/${queue.key}`);
const minute = (id, label, title, more) => figure(id, label, title, "4.5rem", rate, { value: (queue) => queue.rates?.[id], ...more });
const range = (id, label, title, more) =>
	figure(id, label, title, "5.75rem", between, { value: (queue) => queue[id]?.[0], cell: (queue) => between(queue[id]), ...more });

const COLUMNS = [
	words("name", "Queue", "minmax(9rem, 1fr)", { cell: name }),
	column("Last hour", "7.5rem", (queue) => memo("hour", [hour(queue)], () => sparkline(hour(queue))),
		{ title: "A minute: what came (line), was done and failed (bars)", wide: true }),
	figure("waiting", "Waiting", "Tasks that nobody has claimed", "5.25rem"),
	range("oldest", "Oldest", "How long that one waits which waits longest",
		{ cell: (queue) => h("span", { class: me.late && queue.oldest?.[0] > me.late ? "warn" : null }, between(queue.oldest)) }),
	figure("running", "Running", "", "4.75rem"),
	figure("delayed", "Delayed", "Tasks that wait for another delivery", "4.75rem", number, { minor: true }),
	figure("dead", "Dead", "", "5rem", number, { cell: dead }),
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

export function overviewPage() {
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
	};

	function queues(found) {
		const named = names.rows(found);
		const shown = ONLY[only] ? named.filter(ONLY[only][1]) : named;
		return panel("Queues", null, [
			names.box(shown.length, found.length),
			h("div.chips", { role: "group", "aria-label": "Only those" }, Object.entries(ONLY).map(([id, [label, test]]) =>
				button([label, " ", h("b", number(named.filter(test).length))], () => narrow(only === id ? "" : id), null, { "aria-pressed": String(only === id) })))],
		list(shown, h("p.note", "No queue is like that. ", button("Show all", () => { names.change(""); narrow(""); }))));
	}

	return {
		view: "overview",
		title() {
			const wrong = (part("findings") ?? []).filter((finding) => finding.grade === "trouble").length;
			return wrong ? `(${wrong}) Queues` : "Queues";
		},
		draw() {
			const found = under("queue/");
			return [
				h("h1.unseen", "Overview"),
				part("findings") && findings(part("findings"), all, () => { all = !all; }),
				totals(part("totals")),
				found.length ? queues(found) : !stream.trouble && nothingYet(),
			];
		},
	};
}

function findings(list, all, more) {
	return h("section.findings", { "aria-label": "What is wrong" },
		list.length ? h("ul", list.slice(0, all ? undefined : MOST_FINDINGS).map(finding))
			: h("p.well", h("span.sign", { "aria-hidden": "true" }, "✓"), "Nothing is wrong."),
		list.length > MOST_FINDINGS && button(all ? "Show fewer" : `Show ${list.length - MOST_FINDINGS} more`, more, "quiet"));
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
const sentence = (text) => capital(text.replace(/\.$/, ""));

function remedy({ verb, queues, more }) {
	if (verb === "hosts") return h("a.button", { href: HOSTS }, "Hosts");
	if (!queues.length) return null;
	if (verb === "dead") return h("a.button", { href: toDead(queues[0].key) }, "Dead letters");
	if (verb === "queue") return h("a.button", { href: toQueue(queues[0].key) }, "Look at it");
	if (verb !== "resume" || !may()) return null;
	const all = async () => { for (const queue of queues) await resume(queue.key); };
	return button(queues.length > 1 ? `Resume ${more ? "these" : "all"} ${queues.length}` : "Resume", all);
}

export const totals = (sums) => sums && figures([
	["Waiting", sums.waiting], ["Running", sums.running], ["Delayed", sums.delayed],
	["Dead letters", sums.dead, sums.dead && "bad"],
	["In a minute", rate(sums.came)], ["Done a minute", rate(sums.done)], ["Failed a minute", rate(sums.failed), sums.failed && "bad"],
	["Workers", sums.workers], ["Hosts", sums.hosts]]);

const nothingYet = () =>
	h("section.empty",
		h("h2", "No queue yet"),
		h("p", "A queue is here once a supervisor serves it. Start one for the manager in tasks.py:"),
		startOne(),
		h("p", "And push a first task, from any shell:"),
		h("pre", "woodenwaiter put images:resize '{\"file\": \"cat.png\"}'"),
		h("p.dim", "This page shows it by itself."));
