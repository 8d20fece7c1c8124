// 6. Controls. Each edit is a mark on the charts and a line in the log of the program.

import { h, text, show, button } from "./dom.js";
import { post, runPath } from "./api.js";
import { counted, rate, tolerance } from "./format.js";
import { openDialog } from "./keys.js";

export function controlsPart(context) {
  const why = h("p", { class: "empty" });
  const send = async (body) => {
    try {
      context.say("");
      await post(runPath(context.key, "/control"), body);
    } catch (error) {
      context.say(error.message);
    }
  };
  const pause = button("Pause", () => send({ action: context.state.run.stats.paused ? "resume" : "pause" }), { class: "main" });
  const number = (name, attributes) => h("input", { type: "number", inputmode: "decimal", "aria-label": name, ...attributes });
  const row = (label, inputs, apply, unit) => {
    const current = h("span", { class: "current" });
    const form = h("form", { class: "control", onsubmit: (event) => {
      event.preventDefault();
      apply();
      for (const input of inputs) {
        input.dataset.edited = "";
        input.blur();
      }
    } }, h("span", { class: "label" }, label), h("span", { class: "inputs" }, inputs, unit ? h("span", {}, unit) : "", h("button", { type: "submit" }, "Set")), current);
    for (const input of inputs) input.addEventListener("input", () => { input.dataset.edited = "1"; });
    return { form, current };
  };
  // fill shows a value that the reader is not editing.
  const fill = (input, value) => {
    if (!input.dataset.edited && document.activeElement !== input) input.value = value;
  };
  const value = (input) => Number(input.value || 0);

  const concurrency = number("Concurrency, calls at once", { min: 1, max: 10000, step: 1, required: true });
  const calls = number("Calls a second, 0 for no limit", { min: 0, step: "any" });
  const failures = number("Tolerated failures, items", { min: 0, step: 1 });
  const share = number("Tolerated failures, percent", { min: 0, max: 100, step: "any" });
  const rows = [
    row("Concurrency", [concurrency], () => send({ action: "concurrency", concurrency: value(concurrency) }), "calls at once"),
    row("Rate", [calls], () => send({ action: "rate", rate: { ...context.state.run.limits.rate, calls: value(calls) } }), "calls/s; 0: no limit"),
    row("Tolerance", [failures, share], () => setTolerance(value(failures), value(share)), "items, or %"),
  ];
  const ask = (title, message, body) => {
    const close = openDialog(title, "confirm", h("p", {}, message), h("div", { class: "actions" }, button(title, () => {
      close();
      send(body);
    }, { class: "danger" }), button("Keep running", () => close())));
  };
  const setTolerance = (count, percentage) => {
    const body = { action: "tolerance", tolerance: { ...context.state.run.limits.tolerance, count, percentage } };
    const failed = context.state.run.stats.failed;
    if (failed > count && (count > 0 || percentage === 0)) {
      ask("Fail the run", "The run has " + counted(failed, "failure") + ", more than the new tolerance allows (" + tolerance(body.tolerance) + "): it fails at once.", body);
    } else send(body);
  };
  const suspend = button("Suspend…", () => ask("Suspend the run", "No new call starts, calls in flight get their drain timeout, and all settled items are saved. The same call of the program resumes the run.", { action: "suspend" }));
  const cancel = button("Cancel…", () => ask("Cancel the run", "Calls in flight are interrupted, and the run ends for good: only a redrive continues it.", { action: "cancel" }), { class: "danger" });
  const live = h("div", { class: "controls" }, h("div", { class: "actions" }, pause, suspend, cancel), rows.map((r) => r.form));
  const limits = h("p", { class: "total" });

  const change = (by) => {
    const now = context.state.run.limits.concurrency;
    const next = Math.min(10000, Math.max(1, now + by * Math.max(1, Math.round(now / 10))));
    if (next !== now) send({ action: "concurrency", concurrency: next });
  };
  const allowed = () => context.session.controls && context.state && context.state.run.live;
  context.control = {
    pause: () => allowed() && pause.click(),
    more: () => allowed() && change(1),
    less: () => allowed() && change(-1),
  };
  const element = h("section", { class: "card", id: "controls", "aria-labelledby": "controls-title" }, h("h2", { id: "controls-title" }, "Controls"), limits, live, why);
  return {
    element,
    update({ run }) {
      show(element, run.live);
      const l = run.limits;
      const can = context.session.controls && run.live;
      show(live, can);
      show(limits, !can);
      text(limits, "Concurrency " + l.concurrency + " calls, rate " + rate(l.rate) + ", tolerance " + tolerance(l.tolerance) + ".");
      text(why, can ? "" : context.session.why);
      show(why, !can);
      if (!can) return;
      text(pause, run.stats.paused ? "Resume" : "Pause");
      pause.setAttribute("aria-pressed", String(run.stats.paused));
      fill(concurrency, l.concurrency);
      fill(calls, (l.rate && l.rate.calls) || 0);
      fill(failures, l.tolerance.count || 0);
      fill(share, l.tolerance.percentage || 0);
      text(rows[0].current, "now " + l.concurrency + (run.stats.adaptedLimit ? ", lowered to " + run.stats.adaptedLimit + " because a server throttles" : ""));
      text(rows[1].current, "now " + rate(l.rate) + (run.stats.adaptedRate ? ", lowered to " + rate({ calls: run.stats.adaptedRate }) : ""));
      text(rows[2].current, "now " + tolerance(l.tolerance));
    },
  };
}
