// Who changed what: the latest of it.

import { h, redraw } from "./dom.js";
import { number, time } from "./format.js";
import { asked, note } from "./route.js";
import { part } from "./stream.js";
import { filterBox, table } from "./table.js";

const text = (id, label, width, more = {}) => ({ id, label, width, value: (line) => line[id], cell: (line) => h("bdi", {}, line[id]), ...more });

const COLUMNS = [
  { id: "at", label: "When", width: "7rem", value: (line) => line.at, number: true, cell: (line) => time(line.at) },
  text("who", "Who", "minmax(6rem, .5fr)"), text("verb", "Verb", "7rem"), text("queue", "Queue", "minmax(8rem, .8fr)"),
  { id: "count", label: "Number", width: "6rem", number: true, value: (line) => line.count, cell: (line) => number(line.count) },
  text("what", "What", "minmax(10rem, 1.4fr)", { wide: true }), text("where", "Where", "minmax(6rem, .5fr)"),
];

export function open() {
  let filter = asked("filter");
  const list = table({ name: "audit", label: "Who changed what", columns: COLUMNS, sort: "-at", key: (line) => line.id });
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
      const all = (part("audit") ?? []).map(withId);
      const shown = all.filter((line) => Object.values(line).join(" ").toLowerCase().includes(filter.toLowerCase()));
      return [
        h("div", { class: "toolbar", key: "toolbar" }, h("h1", {}, "Audit"), filterBox(filter, change, shown.length, all.length, "the audit")),
        shown.length ? list.draw(shown) : h("p", { class: "note" }, all.length ? "No line is like that." : "Nobody has changed anything yet. Whatever is done here, or by a command that changes something, leaves a line."),
      ];
    },
  };
}

const withId = (line) => ({ ...line, id: `${line.at} ${line.who} ${line.verb} ${line.queue} ${line.what}` });
