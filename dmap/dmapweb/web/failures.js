// 3. Failures by group, the failures of a group, and search.

import { h, text, show, keyed, button } from "./dom.js";
import { get, runPath, query } from "./api.js";
import { count, counted, percent, ago, time } from "./format.js";
import { sparkline } from "./chart.js";
import { failureDrawer } from "./drawer.js";
import { redriveDialog } from "./redrive.js";

const ofProcess = "The groups are those of this process; failures of earlier ones are found by the search, and at the end of the run.";
const lagging = "The groups have the failures up to the last heartbeats of the workers; those after them follow within a minute.";

const titleOf = (g) => (g.id === "other" ? "failures of all other groups" : g.message || "(no text)");

export function failuresPart(context) {
  const search = h("input", { type: "search", placeholder: "Search keys and errors", "aria-label": "Search failures", spellcheck: "false" });
  const list = h("div", { class: "groups" });
  const empty = h("p", { class: "empty" });
  const process = h("p", { class: "empty", hidden: true });
  const more = button("", () => loadAll(), { class: "quiet", hidden: true });
  const found = h("div", { class: "found", hidden: true });
  const csv = h("a", { class: "button", download: "" }, "Export all as CSV");
  const redriveAll = button("Redrive all…", () => redriveDialog(context, "", "all failures"));
  const element = h("section", { class: "card", id: "failures", "aria-labelledby": "failures-title" },
    h("div", { class: "title" }, h("h2", { id: "failures-title" }, "Failures by group"), h("div", { class: "actions" }, search, csv, redriveAll)),
    process, list, empty, more, found);
  let all = null; // all groups with samples, once they were asked for
  let opened = new URLSearchParams(location.hash.slice(1)).get("group") || "";

  context.search = () => {
    element.scrollIntoView({ block: "start" });
    search.focus();
  };
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => lookFor(search.value.trim()), 300);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      search.value = "";
      lookFor("");
      search.blur();
    }
  });
  const lookFor = (q) => {
    show(found, Boolean(q));
    show(list, !q);
    if (q) found.replaceChildren(h("h3", {}, "Failures with “" + q + "”"), failureList(context, { q }));
    else found.replaceChildren();
  };
  let loaded = -Infinity; // when all was
  let loading = false;
  const loadAll = async () => {
    if (loading) return;
    loading = true;
    try {
      all = await get(runPath(context.key, "/groups"));
      if (context.state) draw(context.state);
    } catch (error) {
      context.say(error.message);
    } finally {
      loading = false;
      loaded = performance.now();
    }
  };

  const toggle = async (card, id) => {
    const open = opened !== id;
    opened = open ? id : "";
    history.replaceState(null, "", open ? "#" + new URLSearchParams({ group: id }) : location.pathname + location.search);
    for (const other of list.children) expand(other, other.dataset.key === opened);
  };
  const expand = async (card, open) => {
    const head = card.firstElementChild;
    const panel = card.lastElementChild;
    if (head.getAttribute("aria-expanded") === String(open)) return;
    head.setAttribute("aria-expanded", String(open));
    show(panel, open);
    if (!open) return panel.replaceChildren();
    const id = card.dataset.key;
    panel.replaceChildren(h("p", { class: "empty" }, "Loading."));
    let group = null;
    try {
      all = await get(runPath(context.key, "/groups"));
      group = all.groups.find((g) => g.id === id);
    } catch (error) {
      return panel.replaceChildren(h("p", { class: "error" }, error.message));
    }
    if (opened !== id) return;
    if (!group) return panel.replaceChildren(h("p", { class: "empty" }, "The group is not there any more: its failures were redriven, or joined into another group."));
    panel.replaceChildren(...panelOf(context, group));
  };
  const create = (g) => {
    const head = h("button", { type: "button", class: "group-head", "aria-expanded": "false", "data-row": "", onclick: () => toggle(card, g.id) },
      h("b", { class: "n" }), h("span", { class: "share-of n" }), h("span", { class: "message" }), h("span", { class: "spark-cell" }), h("span", { class: "seen" }));
    const card = h("article", { class: "group" }, head, h("div", { class: "panel", hidden: true }));
    return card;
  };
  const update = (total) => (card, g) => {
    const [n, share, message, spark, seen] = card.firstElementChild.children;
    text(n, count(g.count));
    n.title = counted(g.count, "failure") + (g.over ? ", and up to " + count(g.over) + " more in “other”" : "");
    text(share, total ? percent(g.count / total) : "");
    if (message.dataset.id !== g.id) {
      message.dataset.id = g.id;
      message.replaceChildren(g.class && g.class !== "error" ? h("span", { class: "class" }, g.class) : "", titleOf(g));
    }
    const trend = JSON.stringify(g.trend || {});
    if (spark.dataset.trend !== trend) {
      spark.dataset.trend = trend;
      spark.replaceChildren(sparkline(g.trend));
    }
    const first = time(g.first, true);
    text(seen, first ? "first " + first + ", last " + (context.state.run.live ? ago(g.last, context.state.run.at) : time(g.last, true)) : "");
  };
  const draw = (state) => {
    const failures = state.run.failures;
    let groups = failures.groups || [];
    const short = groups.length;
    if (all && all.groups.length > groups.length) {
      if (state.run.live && performance.now() - loaded > 10000) loadAll(); // the groups that a message leaves out
      const fresh = new Map(groups.map((g) => [g.id, g]));
      groups = all.groups.map((g) => fresh.get(g.id) || g);
      for (const g of fresh.values()) if (!groups.includes(g)) groups.push(g);
      groups.sort((a, b) => (a.id === "other") - (b.id === "other") || b.count - a.count);
    }
    keyed(list, groups, (g) => g.id, create, update(failures.total));
    for (const card of list.children) if (card.dataset.key === opened) expand(card, true);
    const hidden = failures.more ? short + failures.more - groups.length : 0;
    show(more, hidden > 0);
    text(more, "Show " + counted(hidden, "smaller group"));
    const none = groups.length === 0;
    show(process, state.run.live && !none && failures.total < state.run.stats.failed);
    text(process, failures.whole ? lagging : ofProcess);
    show(empty, none);
    text(empty, state.run.stats.failed > 0 && none
      ? failures.whole ? "The groups of the failures come with the next heartbeats of the workers, within a minute."
      : "An earlier process has settled the failures of this run: search for them, or wait for the end of the run to see their groups."
      : state.run.live ? "No item has failed so far." : "No item has failed.");
    for (const control of [search, csv, redriveAll]) show(control, !none || state.run.stats.failed > 0);
    show(redriveAll, !none && context.session.bucket);
    csv.setAttribute("href", runPath(context.key, "/failures.csv"));
  };
  return { element, update: draw };
}

// panelOf is an open group: where its failures gather, samples, and what can be done.
function panelOf(context, g) {
  const where = (g.where || []).filter((p) => p.prefix);
  const samples = (g.samples || []).map((sample, i) => {
    const row = { ...sample, group: g.id, token: (g.tokens || [])[i], sample: true };
    return h("li", {}, h("button", { type: "button", class: "link-button key", "data-row": "", onclick: () => failureDrawer(context, row) }, sample.id || "(no ID)"),
      h("span", { class: "message" }, firstLine(sample.error)));
  });
  const rest = h("div", {});
  return [
    where.length ? h("p", { class: "where" }, "Where: ", where.map((p, i) => [i ? ", " : "", h("code", {}, p.prefix), " " + count(p.count)])) : "",
    samples.length || !context.state.run.failures.whole ? h("h3", {}, samples.length < g.count ? "The first " + counted(samples.length, "failure") : counted(samples.length, "failure"))
      : h("p", { class: "empty" }, "Workers send no keys: the failures are listed once the run has absorbed their leases."),
    h("ul", { class: "samples" }, samples),
    h("div", { class: "actions" },
      button("List all " + count(g.count), (event) => {
        event.target.hidden = true;
        rest.replaceChildren(failureList(context, { group: g.id }));
      }),
      context.session.bucket ? button("Redrive these…", () => redriveDialog(context, g.id, titleOf(g))) : "",
      h("a", { class: "button", download: "", href: runPath(context.key, "/failures.csv") + query({ group: g.id }) }, "Export CSV")),
    rest,
  ];
}

export const firstLine = (value) => (value || "").split("\n")[0].slice(0, 400);

// failureList is the failures that match, page by page.
function failureList(context, filter) {
  const rows = h("tbody", {});
  const note = h("p", { class: "empty", role: "status" }, "Loading.");
  const next = button("Load more", () => load(next.dataset.after), { hidden: true });
  const load = async (after) => {
    next.disabled = true;
    try {
      const page = await get(runPath(context.key, "/failures") + query({ ...filter, after, limit: "50" }));
      for (const f of page.failures) {
        rows.append(h("tr", { tabindex: "-1", "data-row": "", onclick: () => failureDrawer(context, f), onkeydown: (event) => {
          if (event.key === "Enter" && event.target === event.currentTarget) failureDrawer(context, f);
        } }, h("td", {}, button(f.id || "(no ID)", () => {}, { class: "link-button key" })), h("td", { class: "n" }, f.attempts), h("td", { class: "message" }, firstLine(f.error))));
      }
      next.dataset.after = page.after || "";
      show(next, Boolean(page.after));
      text(note, page.partial || page.empty || "");
      show(note, Boolean(note.textContent));
    } catch (error) {
      text(note, error.message);
      show(note, true);
    }
    next.disabled = false;
  };
  load("");
  return h("div", {}, h("div", { class: "scroll" }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ["Item", "Attempts", "Error"].map((x) => h("th", { scope: "col" }, x)))), rows)), note, next);
}
