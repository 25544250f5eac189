// Who changed what: the latest of it.

import { h, redraw } from "./dom.js";
import { number, time } from "./format.js";
import { asked, note } from "./route.js";
import { part } from "./stream.js";
import { figure, filterBox, table, words } from "./table.js";

const COLUMNS = [
  words("at", "When", "7rem", { number: true, cell: (line) => time(line.at) }),
  words("who", "Who", "minmax(6rem, .5fr)"), words("verb", "Verb", "7rem"), words("queue", "Queue", "minmax(8rem, .8fr)"),
  figure("count", "Number", "", "6rem", number), words("what", "What", "minmax(10rem, 1.4fr)", { wide: true }), words("where", "Where", "minmax(6rem, .5fr)"),
];

export function open() {
  let filter = asked("filter");
  const list = table({ name: "audit", label: "Who changed what", columns: COLUMNS, sort: "-at", key: (line) => Object.values(line).join(" ") });
  const change = (value) => {
    filter = value;
    note({ filter });
    redraw();
  };
  return {
    view: "audit",
    parameters: {},
    title: () => "Audit",
    draw() {
      const all = part("audit") ?? [];
      const shown = all.filter((line) => Object.values(line).join(" ").toLowerCase().includes(filter.toLowerCase()));
      return h("section", { "aria-label": "Audit" },
        h("div", { class: "toolbar" }, h("h1", {}, "Audit"), filterBox(filter, change, shown.length, all.length, "the audit")),
        shown.length ? list.draw(shown)
          : h("p", { class: "note" }, all.length ? "No line is like that." : "Nobody has changed anything yet. Whatever is done here, or by a command, leaves a line."));
    },
  };
}
