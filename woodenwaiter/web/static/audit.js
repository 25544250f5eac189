// Who changed what: the latest of it.

import { h } from "./dom.js";
import { time } from "./format.js";
import { part } from "./stream.js";
import { figure, filter, table, words } from "./table.js";

const COLUMNS = [
	words("at", "When", "7rem", { number: true, cell: (line) => time(line.at) }),
	words("who", "Who", "minmax(6rem, .5fr)"), words("verb", "Verb", "7rem"), words("queue", "Queue", "minmax(8rem, .8fr)"),
	figure("count", "Number", "", "6rem"), words("what", "What", "minmax(10rem, 1.4fr)", { wide: true }), words("where", "Where", "minmax(6rem, .5fr)"),
];

export function auditPage() {
	const said = (line) => Object.values(line).join(" ");
	const lines = filter("the audit", said);
	const list = table({ name: "audit", label: "Who changed what", columns: COLUMNS, sort: "-at", key: said });
	return {
		view: "audit",
		title: () => "Audit",
		draw() {
			const all = part("audit") ?? [];
			const shown = lines.rows(all);
			return h("section", { "aria-label": "Audit" },
				h("div.toolbar", h("h1", "Audit"), lines.box(shown.length, all.length)),
				list(shown, h("p.note", all.length ? "No line is like that." : "Nobody has changed anything yet. Whatever is done here, or by a command, leaves a line.")));
		},
	};
}
