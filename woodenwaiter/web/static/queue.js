// One queue: how it is, how its day was, what runs, what comes next, what was thrown away.

import { h } from "./dom.js";
import { between, bytes, many, number, rate, span, time } from "./format.js";
import { heatMap, plot } from "./plots.js";
import { HOME, toDead } from "./route.js";
import { runningTasks } from "./running.js";
import { part } from "./stream.js";
import { table } from "./table.js";
import { cancel, may, pause, purge, resume, trashes } from "./verbs.js";

export function open({ key }) {
  const running = runningTasks({ queue: key });
  const next = tasksTable("next", key);
  const delayed = tasksTable("delayed", key);
  const queue = () => part(`queue/${key}`);
  return {
    view: "queue",
    parameters: { queue: key },
    title: () => queue()?.name ?? "Queue",
    draw() {
      const it = queue();
      if (!it) return missing();
      return [
        heading(it),
        notices(it),
        figures(it),
        plots(part("day"), part("heat")),
        running.draw(part("running") ?? []),
        first(next, "Next", part("next"), it.waiting, "Nothing waits.", "waiting", () => purge(it, "tasks", it.waiting)),
        first(delayed, "Delayed", part("delayed"), it.delayed, "Nothing is delayed.", "delayed", () => purge(it, "delayed", it.delayed)),
        trashes(part("trashes"), key),
      ];
    },
  };
}

export const missing = () =>
  h("div", { class: "note" }, h("h1", {}, "No such queue"),
    h("p", {}, "Nobody has ever served it, and it holds nothing. ", h("a", { href: HOME }, "All queues")));

export const crumbs = (...links) =>
  h("nav", { class: "crumbs", "aria-label": "Where this is" }, links.map(([to, text], i) => [i > 0 && " / ", h("a", { href: to }, h("bdi", {}, text))]));

function heading(it) {
  return h("div", { key: "heading", class: "heading" },
    h("div", {}, crumbs([HOME, "Queues"]), h("h1", {}, h("bdi", {}, it.name), it.paused && h("span", { class: "badge warn" }, "paused"))),
    h("div", { class: "buttons" },
      h("a", { class: "button", href: toDead(it.key) }, "Dead letters ", h("b", { class: it.dead ? "bad" : null }, number(it.dead))),
      may() && (it.paused ? h("button", { class: "main", onclick: () => resume(it.key) }, "Resume") : h("button", { onclick: () => pause(it) }, "Pause"))));
}

function notices(it) {
  const { paused } = it;
  return [
    it.trouble && h("p", { key: "trouble", class: "notice bad" }, it.trouble),
    paused && h("p", { key: "paused", class: "notice warn" },
      h("strong", {}, "Paused"), ` by ${paused.who} `, time(paused.since),
      paused.left === null ? ", until somebody resumes it" : `, for ${span(paused.left)} more`, paused.why && [": ", h("bdi", {}, paused.why)]),
    !it.workers && !it.trouble && !paused && h("p", { key: "unserved", class: "notice warn" },
      h("strong", {}, "No worker takes its tasks."), " Start a supervisor that serves it: ", h("code", {}, "python -m woodenwaiter.supervisor APP")),
  ];
}

function figures(it) {
  const cell = (label, value, title) => h("div", { title }, h("dt", {}, label), h("dd", {}, value));
  return h("dl", { key: "figures", class: "totals" },
    cell("Waiting", number(it.waiting)), cell("Oldest", between(it.oldest)),
    cell("Running", number(it.running), it.claimed === undefined ? null : `${number(it.claimed)} claimed, some of them in advance`),
    cell("Delayed", number(it.delayed), it.nextDue === null || it.nextDue === undefined ? null : `the next one is due in ${span(it.nextDue)}`),
    cell("In a minute", rate(it.rates?.came)), cell("Done a minute", rate(it.rates?.done)), cell("Failed a minute", rate(it.rates?.failed)),
    cell("p50", span(it.p50)), cell("p99", span(it.p99)), cell("Workers", number(it.workers)), cell("Empty in", between(it.drained)));
}

function plots(day, heat) {
  if (!day) return null;
  const minute = (values) => values.map((value) => (value === null ? null : (value * 60) / day.step));
  return h("section", { key: "plots", class: "plots", "aria-label": "The last day" },
    plot({ id: "rates", title: "Tasks a minute", start: day.start, step: day.step, series: [
      { name: "came", tone: "came", values: minute(day.came) },
      { name: "done", tone: "done", values: minute(day.done), area: true },
      { name: "failed", tone: "failed", values: minute(day.failed), area: true }] }),
    plot({ id: "waiting", title: "Waiting", start: day.start, step: day.step, fold: "last", series: [
      { name: "waiting", tone: "came", values: day.waiting, form: number, area: true }] }),
    heat && heatMap({ id: "heat", title: "Handler times", ...heat }));
}

function tasksTable(name, key) {
  const delayed = name === "delayed";
  return table({
    name: `tasks ${name}`, label: `${name} tasks`, key: (task) => task.name, note: false,
    columns: [
      { id: "task", label: "Task", width: "10rem", cell: (task) => h("code", {}, task.name) },
      { id: "payload", label: "Payload", width: "minmax(10rem, 1fr)", wide: true, cell: (task) => h("code", { class: "payload" }, task.payload, !task.whole && "…") },
      { id: "size", label: "Size", width: "5rem", number: true, cell: (task) => bytes(task.size) },
      { id: "deliveries", label: "Tried", title: "Deliveries that failed", width: "3.5rem", number: true, cell: (task) => number(task.deliveries) },
      delayed && { id: "reason", label: "Why", width: "minmax(8rem, .8fr)", wide: true, cell: (task) => h("bdi", { class: "dim" }, task.reason) },
      delayed && { id: "due", label: "Due", width: "6rem", number: true, cell: (task) => time(task.due) },
      { id: "act", label: "", width: "4.5rem", cell: (task) => may() && h("button", { class: "quiet", onclick: () => cancel(key, task.name, false) }, "Cancel") },
    ].filter(Boolean),
  });
}

function first(list, title, tasks, all, none, what, away) {
  const count = tasks?.length ?? 0;
  return h("section", { key: title, class: "panel" },
    h("div", { class: "toolbar" }, h("h2", {}, title),
      h("span", { class: "dim count" }, all > count ? `the first ${count} of ${number(all)}` : number(count)),
      may() && all > 0 && h("button", { class: "quiet", onclick: away, title: `Move all ${many(all, what + " task")} to the trash` }, "Purge…")),
    count ? list.draw(tasks) : h("p", { class: "none" }, none));
}
