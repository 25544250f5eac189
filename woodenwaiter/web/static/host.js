// One supervisor: what it uses, what it serves, what its workers do, and what happened.

import { h } from "./dom.js";
import { bytes, number, now, percent, span, time } from "./format.js";
import { state, steering } from "./hosts.js";
import { plot } from "./plots.js";
import { crumbs } from "./queue.js";
import { HOSTS, toQueue } from "./route.js";
import { runningTasks } from "./running.js";
import { part } from "./stream.js";
import { table } from "./table.js";

const counts = (given) => Object.entries(given ?? {}).filter(([, n]) => n).map(([name, n]) => `${number(n)} ${name}`).join(", ") || "–";
const figure = (id, label, width, form = number, title = "", more = {}) =>
  ({ id, label, width, title, number: true, value: (crew) => crew[id], cell: (crew) => form(crew[id]), ...more });

const CREWS = [
  { id: "queue", label: "Queue", width: "minmax(9rem, 1fr)", value: (crew) => crew.queue, cell: (crew) => h("a", { class: "open", href: toQueue(crew.key) }, h("bdi", {}, crew.queue)) },
  { id: "range", label: "Workers", title: "At least and at most", width: "5.5rem", number: true, cell: (crew) => (crew.least === crew.most ? number(crew.most) : `${crew.least}–${crew.most}`) },
  figure("running", "Running", "5rem"), figure("idle", "Idle", "4rem"), figure("starting", "Starting", "5rem"),
  figure("quiet", "Quiet", "4rem"), figure("leaving", "Leaving", "5rem"),
  figure("busy", "Busy", "4.5rem", (share) => percent(share === null ? null : share * 100), "How much of their time they ran tasks"),
  figure("cpu", "CPU", "4.5rem", percent),
  { id: "tally", label: "Did", width: "minmax(8rem, .7fr)", wide: true, cell: (crew) => counts(crew.tally) },
  { id: "restarts", label: "Restarts", width: "minmax(7rem, .6fr)", wide: true, cell: (crew) => counts(crew.restarts) },
];

export function open({ document }) {
  const running = runningTasks({ host: document });
  const crews = table({ name: "crews", label: "Queues that it serves", columns: CREWS, key: (crew) => crew.key, sort: "queue" });
  const host = () => part(`host/${document}`);
  return {
    view: "host",
    parameters: { host: document },
    title: () => (host() ? `${host().host}:${host().pid}` : "Host"),
    draw() {
      const it = host();
      if (!it) {
        return h("div", { class: "note" }, h("h1", {}, "Nothing is seen of this supervisor"),
          h("p", {}, "It has left, or its host is gone; one that started anew has another address. ", h("a", { href: HOSTS }, "All hosts")));
      }
      const list = part("crews") ?? [];
      return [
        h("div", { key: "heading", class: "heading" },
          h("div", {}, crumbs([HOSTS, "Hosts"]), h("h1", {}, h("bdi", {}, it.host), h("span", { class: "dim" }, ` pid ${it.pid}`), state(it))), steering([it])),
        it.trouble && h("p", { key: "trouble", class: "notice bad" }, it.trouble),
        figures(it),
        hour(part("hour")),
        h("section", { key: "crews", class: "panel" }, h("h2", {}, "Queues that it serves"), list.length ? crews.draw(list) : h("p", { class: "none" }, "None.")),
        running.draw(part("workers") ?? []),
        events(part("events") ?? []),
        it.settings && Object.keys(it.settings).length > 0 && h("details", { key: "settings" }, h("summary", {}, "Settings"),
          h("dl", { class: "fields" }, Object.entries(it.settings).map(([name, value]) => [h("dt", {}, name), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value))]))),
      ];
    },
  };
}

function figures(it) {
  const cell = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
  return h("dl", { key: "figures", class: "totals" },
    cell("Up", span(it.up)), cell("Workers", number(it.alive)), cell("Running", number(it.running)), cell("CPU", percent(it.cpu)),
    cell("Largest process", bytes(it.memory)), cell("Restarts", counts(it.restarts)), cell("Release", it.release ?? "–"), cell("Seen", `${span(it.ago)} ago`));
}

function hour(values) {
  if (!values) return null;
  const start = Math.floor(now() / 60) * 60 - values.cpu.length * 60;
  return h("section", { key: "hour", class: "plots", "aria-label": "The last hour" },
    plot({ id: "cpu", title: "CPU", start, step: 60, series: [{ name: "of one CPU", tone: "came", values: values.cpu, form: percent, area: true }] }),
    plot({ id: "memory", title: "Memory", start, step: 60, series: [{ name: "resident", tone: "came", values: values.memory, form: bytes, area: true }] }));
}

function events(list) {
  return h("section", { key: "events", class: "panel" }, h("h2", {}, "Latest events"),
    list.length ? h("ol", { class: "events" }, list.map((event) =>
      h("li", { key: `${event.at} ${event.text}`, class: event.level }, time(event.at), h("span", { class: "level" }, event.level), h("bdi", {}, event.text))))
      : h("p", { class: "none" }, "Nothing has happened."));
}
