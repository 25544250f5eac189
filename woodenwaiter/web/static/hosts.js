// Supervisors, on all hosts.

import { h, redraw } from "./dom.js";
import { bytes, many, number, percent, span } from "./format.js";
import { totals } from "./overview.js";
import { asked, note, toHost } from "./route.js";
import { part, under } from "./stream.js";
import { filterBox, picks, table } from "./table.js";
import { confirmed, may } from "./verbs.js";

const restarts = (host) => Object.values(host.restarts ?? {}).reduce((sum, n) => sum + n, 0);
const causes = (counts) => Object.entries(counts ?? {}).map(([cause, n]) => `${n} ${cause}`).join(", ");

export const state = (host) => h("span", { class: `badge ${host.state === "serving" ? "good" : "warn"}` }, host.state);

const figure = (id, label, title, width, value, form = number, more = {}) =>
  ({ id, label, title, width, number: true, value, cell: (host) => form(value(host)), ...more });

const COLUMNS = [
  { id: "host", label: "Host", width: "minmax(9rem, 1fr)", value: (host) => host.host, cell: (host) => [
    h("a", { class: "open", href: toHost(host.document) }, h("bdi", {}, host.host ?? host.document)),
    host.trouble && h("span", { class: "badge bad", title: host.trouble }, "unreadable")] },
  figure("pid", "Pid", "Of the supervisor", "5rem", (host) => host.pid, (pid) => pid ?? "–"),
  { id: "state", label: "State", width: "6rem", value: (host) => host.state, cell: state },
  figure("running", "Running", "Tasks that run", "5rem", (host) => host.running),
  figure("alive", "Workers", "Workers that live", "5rem", (host) => host.alive),
  figure("queues", "Queues", "", "5rem", (host) => host.queues, number, { minor: true }),
  figure("cpu", "CPU", "Of one CPU, all its processes", "5rem", (host) => host.cpu, percent),
  figure("memory", "Memory", "Of its largest process", "6rem", (host) => host.memory, bytes),
  { id: "restarts", label: "Restarts", title: "Workers that were replaced since it began", width: "5.5rem", number: true, value: restarts,
    cell: (host) => h("span", { title: causes(host.restarts), class: restarts(host) ? "warn" : null }, number(restarts(host))) },
  figure("up", "Up", "", "4.5rem", (host) => host.up, span),
  figure("release", "Release", "", "5rem", (host) => host.release, (text) => text ?? "–", { number: false, minor: true }),
  figure("ago", "Seen", "When it last told of itself", "5.5rem", (host) => host.ago, (ago) => `${span(ago)} ago`, { minor: true }),
];

// What a supervisor can be told, in words.
const VERBS = {
  quiet: ["Quiet", "claims nothing more. What runs goes on"],
  continue: ["Continue", "takes tasks again"],
  grow: ["Grow", "has one worker more for each queue"],
  shrink: ["Shrink", "has one worker fewer for each queue"],
  restart: ["Restart", "starts anew on new code, if that can be loaded"],
  drain: ["Drain", "leaves after its running tasks. Nothing can start it again from here"],
};

export function steering(hosts) {
  const named = hosts.length === 1 ? `${hosts[0].host}, pid ${hosts[0].pid},` : "Each of them";
  const shown = hosts.slice(0, 8).map((host) => host.host).join(", ") + (hosts.length > 8 ? ` and ${hosts.length - 8} more` : "");
  const tell = (verb) => confirmed({
    title: `${VERBS[verb][0]} ${many(hosts.length, "supervisor")}`,
    text: [hosts.length > 1 && `${shown}.`, `${named} ${VERBS[verb][1]}.`],
    verb: VERBS[verb][0],
    danger: verb === "drain",
  }, { verb: "host", documents: hosts.map((host) => host.document), do: verb });
  return may() && h("div", { class: "buttons" }, Object.entries(VERBS).map(([verb, [label]]) =>
    h("button", { key: verb, class: verb === "drain" ? "danger" : null, onclick: () => tell(verb) }, label)));
}

export function open() {
  let text = asked("filter");
  const chosen = may() ? picks() : null;
  const list = table({
    name: "hosts", label: "Hosts", columns: COLUMNS, key: (host) => host.document, sort: "host", pick: chosen,
    tone: (host) => (host.trouble ? "bad" : host.state === "serving" ? "" : "paused"),
  });
  const filter = (value) => {
    text = value;
    note({ filter: text });
    redraw();
  };
  return {
    view: "hosts",
    parameters: {},
    title: () => "Hosts",
    draw() {
      const all = under("host/");
      const shown = all.filter((host) => `${host.host} ${host.pid} ${host.state} ${host.release}`.toLowerCase().includes(text.toLowerCase()));
      chosen?.keep(all.map((host) => host.document));
      const meant = all.filter((host) => chosen?.has(host.document));
      return [
        h("h1", { class: "unseen" }, "Hosts"),
        totals(part("totals")),
        h("div", { class: "toolbar sticky", key: "toolbar" }, h("h2", {}, "Hosts"), filterBox(text, filter, shown.length, all.length, "hosts"),
          meant.length > 0 && h("span", { class: "dim" }, `${meant.length} chosen:`), meant.length > 0 && steering(meant)),
        shown.length ? list.draw(shown) : all.length ? h("p", { class: "note" }, "No host is like that.")
          : h("section", { class: "empty" }, h("h2", {}, "No supervisor is seen"), h("p", {}, "Start one for the manager in tasks.py; it is here some seconds later:"),
            h("pre", {}, "python -m woodenwaiter.supervisor tasks --redis redis://localhost:6379/0")),
      ];
    },
  };
}
