// 10. The list of runs: a run and its redrives are one line.

import { h, text, show, keyed, button } from "./dom.js";
import { get, query } from "./api.js";
import { count, counted, percent, time, duration } from "./format.js";
import { openDialog, step } from "./keys.js";

export function runsView(main, session, setLink) {
  const rows = h("tbody", {});
  const table = h("table", { class: "rows runs" }, h("thead", {}, h("tr", {}, ["", "Run", "State", "Items", "Failed", "Begun", "Time"].map((x) => h("th", { scope: "col" }, x)))), rows);
  const empty = h("p", { class: "empty" });
  const more = button("Older runs", () => older(), { hidden: true });
  const compare = button("Compare two", () => compareDialog(), { disabled: true });
  const view = h("section", { class: "card" }, h("div", { class: "title" }, h("h1", {}, "Runs"), compare), h("div", { class: "scroll" }, table), empty, more);
  let pages = []; // older ones, loaded on request
  let after = "";
  const chosen = new Set();

  const create = (run) => {
    const box = h("input", { type: "checkbox", "aria-label": "Choose " + run.runId + " to compare", onchange: () => {
      if (box.checked) chosen.add(run.key);
      else chosen.delete(run.key);
      compare.disabled = chosen.size !== 2;
    } });
    return h("tr", {}, h("td", {}, box), h("td", {}, h("a", { class: "key", "data-row": "", href: query({ run: run.key }) }, run.runId)), h("td", {}, h("span", { class: "badge" }), " ", h("span", { class: "message" })),
      h("td", { class: "n" }), h("td", { class: "n" }), h("td", {}), h("td", { class: "n" }));
  };
  const update = (at) => (row, run) => {
    const [, name, state, items, failed, begun, took] = row.children;
    name.title = run.source || "";
    state.children[0].className = "badge " + run.tone;
    text(state.children[0], run.status);
    text(state.children[1], (run.error || run.text) + (run.redrives ? " " + count(run.redrives) + ". redrive." : ""));
    text(items, count(run.items) + (run.live && run.share ? ", " + percent(run.share) : ""));
    text(failed, count(run.failed));
    failed.className = run.failed ? "n bad" : "n";
    text(begun, time(run.begun, true));
    const end = run.ended && new Date(run.ended).getFullYear() > 1970 ? new Date(run.ended) : run.live ? new Date(at) : null; // by the clock of the server
    text(took, end && run.begun ? duration((end - new Date(run.begun)) / 1000) : "");
  };
  const draw = (answer) => {
    if (!view.isConnected) main.replaceChildren(view); // until then the first paint stays
    const seen = new Set();
    const runs = [...answer.runs, ...pages].filter((run) => !seen.has(run.key) && seen.add(run.key));
    keyed(rows, runs, (run) => run.key, create, update(answer.at));
    show(table, runs.length > 0);
    show(compare, runs.length > 1);
    text(empty, answer.empty || "");
    show(empty, Boolean(answer.empty));
    if (!pages.length) after = answer.after || "";
    show(more, Boolean(after));
  };
  let latest = null;
  const older = async () => {
    try {
      const answer = await get("api/runs" + query({ after }));
      pages = [...pages, ...answer.runs];
      after = answer.after || "";
      draw(latest);
    } catch (error) {
      setLink(error.message);
    }
  };
  const load = async () => {
    try {
      if (!document.hidden || !latest) {
        latest = await get("api/runs");
        draw(latest);
        setLink("list");
      }
    } catch (error) {
      setLink(error.message || "no connection to the server; trying again");
    }
    setTimeout(load, latest && latest.runs.some((run) => run.live) ? 2000 : 5000);
  };
  load();

  const compareDialog = async () => {
    const body = h("div", { class: "drawer-body scroll" }, "Loading.");
    openDialog("Two runs", "drawer", body);
    try {
      const two = await Promise.all([...chosen].map((key) => get("api/runs/" + encodeURIComponent(key))));
      body.replaceChildren(comparison(two.map((d) => d.run)));
    } catch (error) {
      body.replaceChildren(h("p", { class: "error" }, error.message));
    }
  };
  return { next: () => step(1), previous: () => step(-1) };
}

// comparison is a table of two runs, side by side.
function comparison(runs) {
  const lines = [
    ["State", (r) => r.verdict.status], ["Source", (r) => r.source], ["Version", (r) => r.version], ["Items", (r) => count(r.stats.read)],
    ["Succeeded", (r) => count(r.stats.succeeded)], ["Failed", (r) => count(r.stats.failed)], ["Skipped", (r) => count(r.stats.skipped)],
    ["Pending", (r) => count(r.stats.pending)], ["Calls", (r) => count(r.stats.calls)], ["Retries", (r) => count(r.stats.retries)],
    ["Time", (r) => duration(r.stats.elapsed / 1e9)], ["Items a second", (r) => (r.stats.elapsed ? ((r.stats.succeeded + r.stats.failed) / (r.stats.elapsed / 1e9)).toFixed(1) : "")],
    ["Concurrency", (r) => counted(r.limits.concurrency, "call")], ["Largest group of failures", (r) => ((r.failures.groups || [])[0] || {}).message],
  ];
  return h("table", { class: "rows" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), runs.map((r) => h("th", { scope: "col" }, r.runId)))),
    h("tbody", {}, lines.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), runs.map((r) => h("td", {}, value(r) || "–"))))));
}
