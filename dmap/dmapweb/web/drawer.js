// 9. All about one item.

import { h, button } from "./dom.js";
import { get, runPath, query } from "./api.js";
import { duration, time, count } from "./format.js";
import { openDialog } from "./keys.js";

const wholeObject = (f) => f.offset === undefined || f.offset < 0 || f.id === f.key;

function fields(list) {
  return h("dl", { class: "fields" }, list.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function block(title, value) {
  if (!value) return "";
  const copy = button("Copy", () => navigator.clipboard && navigator.clipboard.writeText(value), { class: "quiet" });
  return [h("div", { class: "title" }, h("h3", {}, title), copy), h("pre", {}, value)];
}

function values(title, v) {
  if (!v) return "";
  return [h("h3", {}, title), v.text ? h("pre", {}, v.text) : "", v.omitted ? h("p", { class: "empty" }, count(v.omitted) + " more bytes are in the record.") : "", v.why ? h("p", { class: "empty" }, v.why) : ""];
}

// failureDrawer shows a failed item: what is known at once, then what its record says.
export async function failureDrawer(context, f) {
  const body = h("div", { class: "drawer-body" });
  const render = (it, note) =>
    body.replaceChildren(...[
      block("Error", it.error || "(no text)"),
      fields([
        ["State", it.kind ? it.kind.toLowerCase() : "failed"],
        ["Class", it.class], ["Attempts", it.attempts === 0 ? "never called" : it.attempts],
        ["Last call took", it.elapsed ? duration(it.elapsed) : ""], ["Failed at", time(it.at, true)],
        ["Object", it.key ? h("code", {}, it.key) : ""], ["Offset", wholeObject(it) ? "" : count(it.offset)],
        ["Split", it.split ? h("code", {}, it.split) : ""], ["Position in the split", it.index], ["Object version", it.version],
        ["Held because", it.reason], ["Decision", it.decision ? JSON.stringify(it.decision) : ""],
        ["Group", it.group], ["Idempotency key", it.token ? h("code", {}, it.token) : ""],
      ]),
      block("Stack", it.stack), values("Input", it.input), values("Output", it.output),
      note ? h("p", { class: "empty", role: "status" }, note) : "",
    ].flat(Infinity).filter(Boolean));
  openDialog(f.id || "(no ID)", "drawer", body);
  render(f, f.token ? "Reading its record." : "");
  if (!f.token) return;
  try {
    render(await get(runPath(context.key, "/item") + query({ token: f.token, kind: f.sample || f.group ? "FAILED" : "" })), "");
  } catch (error) {
    render(f, error.message);
  }
}

// callDrawer shows an item whose call runs.
export function callDrawer(context, c) {
  openDialog(c.id || "(no ID)", "drawer", h("div", { class: "drawer-body" }, fields([
    ["State", c.stuck ? "stuck: it runs on after the end of its context" : c.slow ? "in a call, much longer than 95 % of the calls" : "in a call"],
    ["Age of the call", duration(c.age)], ["Items of the call", c.items > 1 ? count(c.items) : ""], ["Attempt", c.attempt], ["Error of the attempt before", c.last],
    ["Object", c.key ? h("code", {}, c.key) : ""], ["Split", c.split ? h("code", {}, c.split) : ""],
    ["Idempotency key", c.token ? h("code", {}, c.token) : ""],
  ]), h("p", { class: "empty" }, "The item has no result yet." + (context.state && context.state.run.batch ? " It is the first item of a batch." : ""))));
}
