// Tasks that run, of a queue or of a host, with where each is in its code when somebody asks.

import { get } from "./api.js";
import { h, redraw } from "./dom.js";
import { bytes, percent, time } from "./format.js";
import { toHost, toQueue } from "./route.js";
import { table } from "./table.js";
import { cancel, complain, may } from "./verbs.js";

// `of`: {queue} or {host}, whose tasks they are.
export function runningTasks(of) {
  const traces = new Map(); // by claim: {text, trouble}
  let asking = false;

  async function trace() {
    asking = true;
    redraw();
    try {
      for (const each of (await get("traces", of)).traces) traces.set(each.claim, each);
    } catch (error) {
      complain(error.message);
    }
    asking = false;
    redraw();
  }

  const shown = (task) => traces.get(task.claim);
  const list = table({
    name: "running", label: "Running tasks", key: (task) => task.claim, note: false,
    inputs: (task) => [task, shown(task)],
    columns: [
      { id: "task", label: "Task", width: "minmax(9rem, 1fr)", cell: named },
      of.queue
        ? { id: "host", label: "Host", width: "minmax(7rem, .7fr)", cell: (task) => h("a", { href: toHost(task.document) }, h("bdi", {}, task.host)) }
        : { id: "queue", label: "Queue", width: "minmax(7rem, .7fr)", cell: (task) => h("a", { href: toQueue(task.key) }, h("bdi", {}, task.queue)) },
      { id: "slot", label: "Worker", title: "Which of the queue's workers, and its pid", width: "6.5rem", cell: (task) => `#${task.slot} · ${task.pid}`, minor: true },
      { id: "began", label: "For", width: "4.5rem", number: true, cell: (task) => time(task.began, "for") },
      { id: "progress", label: "Progress", width: "minmax(8rem, 1fr)", cell: progress, wide: true },
      { id: "cpu", label: "CPU", width: "4rem", number: true, cell: (task) => percent(task.cpu) },
      { id: "memory", label: "Memory", width: "5rem", number: true, cell: (task) => bytes(task.memory) },
      { id: "act", label: "", width: "4.5rem", cell: (task) => may() && h("button", { class: "quiet", onclick: () => cancel(task.key ?? of.queue, task.claim, true) }, "Cancel") },
    ],
  });

  function named(task) {
    const found = shown(task);
    return [
      h("code", { title: task.claim }, task.task), task.leaving && h("span", { class: "badge" }, "leaving"),
      found && h("pre", { class: "trace" }, found.text || found.trouble),
    ];
  }

  return {
    draw: (tasks) => h("section", { key: "running", class: "panel" },
      h("div", { class: "toolbar" }, h("h2", {}, "Running"), h("span", { class: "dim count" }, tasks.length),
        tasks.length > 0 && h("button", { disabled: asking, onclick: trace }, asking ? "Asking their hosts…" : "Where are they?"),
        traces.size > 0 && h("button", { class: "quiet", onclick: () => { traces.clear(); redraw(); } }, "Hide traces")),
      tasks.length ? list.draw(tasks) : h("p", { class: "none" }, "Nothing runs.")),
  };
}

function progress(task) {
  if (task.fraction === null && !task.text) return h("span", { class: "dim" }, "–");
  const share = task.fraction === null ? null : Math.round(task.fraction * 100);
  return h("div", { class: "progress", title: task.text },
    share !== null && h("progress", { max: 100, value: share, "aria-label": "progress" }),
    h("span", {}, share !== null && h("b", {}, `${share} %`), " ", task.text));
}
