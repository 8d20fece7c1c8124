// One run on one screen, the most important part first.

import { h, text, show, keyed, button } from "./dom.js";
import { get, runPath, follow, post } from "./api.js";
import { count, counted, duration, percent, perSecond, time, ago, eta, bytes } from "./format.js";
import { chart, makeCursor } from "./chart.js";
import { failuresPart } from "./failures.js";
import { controlsPart } from "./controls.js";
import { callDrawer } from "./drawer.js";
import { step } from "./keys.js";
import { trendSeries } from "./trend.js";

const card = (id, title, ...content) =>
  h("section", { class: "card", id, "aria-labelledby": id + "-title" }, h("h2", { id: id + "-title" }, title), content);

export function runView(main, key, session, setLink) {
  const context = { key, session, state: null, notice: h("p", { class: "notice", role: "alert", hidden: true }) };
  context.say = (message) => {
    text(context.notice, message);
    show(context.notice, Boolean(message));
  };
  const parts = [verdictPart(context), barPart(), failuresPart(context), chartsPart(context), workersPart(), callsPart(context),
    controlsPart(context), timePart(), durabilityPart(context)];
  let built = false;
  follow(key, (state, streamed) => {
    context.state = state;
    if (!built) {
      built = true;
      main.replaceChildren(context.notice, h("div", { class: "run" }, parts.map((part) => part.element)));
    }
    main.lastElementChild.classList.toggle("stored", !state.run.live);
    for (const part of parts) part.update(state, streamed);
    const v = state.run.verdict;
    document.title = (state.run.live && state.run.progress.share ? percent(state.run.progress.share) + " " : v.status + " · ") + state.run.runId + " · dmap";
  }, setLink);

  const changed = (action) => () => context.control && context.control[action]();
  return {
    search: () => context.search && context.search(),
    failures: () => {
      const part = document.getElementById("failures");
      if (!part) return;
      part.scrollIntoView({ block: "start" });
      const first = part.querySelector("[data-row]");
      if (first) first.focus();
    },
    next: () => step(1),
    previous: () => step(-1),
    pause: changed("pause"),
    more: changed("more"),
    less: changed("less"),
  };
}

// 1. The verdict, with the estimate of the end, the reasons for the pace and the tolerance.
function verdictPart(context) {
  const badge = h("span", { class: "badge" });
  const title = h("h1", {});
  const headline = h("p", { class: "headline", role: "status", "aria-live": "polite" });
  const estimate = h("p", { class: "eta" });
  const slowed = h("ul", { class: "slowed" });
  const cause = h("details", { class: "cause" }, h("summary", {}, "The error of the run"), h("pre", {}));
  const next = h("p", { class: "next" });
  const fuel = h("meter", { min: 0, max: 1, low: 0.5, high: 0.9, optimum: 0 });
  const fuelText = h("span", {});
  const facts = h("p", { class: "facts" });
  const element = h("section", { class: "card verdict", "aria-label": "Verdict" },
    h("div", { class: "title" }, title, badge), headline, estimate, slowed, next, cause,
    h("div", { class: "fuel" }, h("label", {}, "Tolerance ", fuel), fuelText), facts);
  return {
    element,
    update({ run }) {
      const v = run.verdict;
      element.className = "card verdict " + v.tone;
      text(badge, v.status);
      badge.className = "badge " + v.tone;
      text(title, run.runId);
      const share = run.live && !run.progress.atLeast && run.progress.total ? " " + percent(run.progress.share) + " of " + counted(run.progress.total, "item") + "." : "";
      text(headline, v.text + share);
      show(text(estimate, run.live ? eta(run.eta) : ""), run.live && Boolean(eta(run.eta)));
      keyed(slowed, v.status === "backing off" ? (run.slowed || []).slice(1) : run.slowed || [], (x) => x, (x) => h("li", {}, x));
      show(slowed, slowed.children.length > 0);
      show(text(next, v.next || ""), Boolean(v.next));
      show(cause, Boolean(v.cause));
      text(cause.lastElementChild, v.cause || "");
      if (v.cause && !cause.dataset.seen) {
        cause.dataset.seen = "1";
        cause.open = true;
      }
      show(fuel.closest(".fuel"), !run.fuel.unknown);
      fuel.value = run.fuel.share || 0;
      text(fuelText, run.fuel.text + (run.fuel.judge ? "; " + run.fuel.judge : ""));
      const list = [];
      if (run.source) list.push("Source " + run.source);
      if (run.version) list.push("version " + run.version);
      list.push((run.stats.resumed ? "resumed " : "begun ") + time(run.begun, true));
      if (run.ended && new Date(run.ended).getFullYear() > 1970) list.push("ended " + time(run.ended, true));
      list.push((run.live || v.status === "open" ? "time so far " : "took ") + duration(run.stats.elapsed / 1e9));
      list.push(counted(run.stats.calls, "call") + (run.stats.retries ? ", " + count(run.stats.retries) + " of them retries" : ""));
      if (run.stats.redrives) list.push(counted(run.stats.redrives, "redrive"));
      if (run.stats.brokenObjects) list.push(counted(run.stats.brokenObjects, "object") + " broke off");
      text(facts, list.join(" · "));
    },
  };
}

// 2. One bar whose parts add up.
const targets = { failed: "#failures", "in flight": "#calls", waiting: "#calls", queued: "#calls", succeeded: "#durability", pending: "#durability", unread: "#durability" };

function barPart() {
  const bar = h("div", { class: "bar", role: "img" });
  const legend = h("ul", { class: "legend" });
  const total = h("p", { class: "total" });
  return {
    element: card("items", "Items", bar, legend, total),
    update({ run }) {
      const p = run.progress;
      const parts = p.parts.filter((part) => part.items > 0);
      keyed(bar, parts, (part) => part.name, (part) => h("span", { class: "part " + part.name.replace(" ", "-"), title: part.name }),
        (element, part) => { element.style.flexGrow = String(part.items / Math.max(1, p.total)); });
      bar.setAttribute("aria-label", parts.map((part) => count(part.items) + " " + part.name).join(", "));
      const shown = p.parts.filter((part) => part.items > 0 || part.name === "succeeded" || part.name === "failed");
      keyed(legend, shown, (part) => part.name, (part) => {
        const label = [h("i", { class: part.name.replace(" ", "-"), "aria-hidden": "true" }), h("b", {}), " " + part.name];
        return h("li", {}, targets[part.name] ? h("a", { href: targets[part.name] }, label) : h("span", {}, label));
      }, (element, part) => text(element.querySelector("b"), count(part.items)));
      text(total, p.text + "." + (run.live ? " Now " + perSecond(run.now.items).replace("/s", "") + " items a second, " + perSecond(run.now.failed).replace("/s", "") + " of them fail." : ""));
    },
  };
}

// mostMarks is how many marks the server keeps of a run.
const mostMarks = 200;

// later are the marks of list after the newest of known. Several may have the same time.
function later(list, known) {
  const newest = known[known.length - 1];
  if (!newest) return list;
  const at = list.findLastIndex((m) => m.at === newest.at && m.text === newest.text);
  return at < 0 ? list.filter((m) => new Date(m.at) > new Date(newest.at)) : list.slice(at + 1);
}

// 4. Three charts over one time axis.
function chartsPart(context) {
  const cursor = makeCursor();
  const at = h("span", { class: "cursor-time" });
  const empty = h("p", { class: "empty" });
  const each = (n) => (p) => (p.d > 0 ? n(p) / p.d : 0);
  const charts = [
    chart("Items a second", [
      { name: "settled", className: "good", value: each((p) => p.n), area: true },
      { name: "failed", className: "bad", value: each((p) => p.f || 0) },
    ], perSecond, cursor),
    chart("Time of a call", [
      { name: "median", className: "work", value: (p) => (p.max ? p.p50 : null) },
      { name: "95 %", className: "wait", value: (p) => (p.max ? p.p95 : null) },
      { name: "longest", className: "faint", value: (p) => (p.max ? p.max : null) },
    ], duration, cursor),
    chart("Calls in flight", [
      { name: "in use", className: "work", value: (p) => p.in, area: true },
      { name: "limit", className: "faint", value: (p) => p.a || p.l },
    ], (n) => +n.toFixed(1) + (n === 1 ? " call" : " calls"), cursor),
  ];
  // of a run from the bucket, whose history is not known
  const stored = chart("Failures a second", [{ name: "failed", className: "bad", value: each((p) => p.f), area: true }], perSecond, makeCursor());
  const events = h("ol", { class: "events" });
  const left = h("p", { class: "empty" });
  const log = h("details", { class: "log" }, h("summary", {}, "Events"), events, left);
  const element = card("charts", "Over time", h("div", { class: "charts" }, charts.map((c) => c.element), stored.element), at, empty, log);
  let series = null;
  let marks = [];
  let omitted = 0;
  let loading = false;
  let loaded = -Infinity;
  for (const c of [...charts, stored]) show(c.element, false); // until it is known which there are

  cursor.listeners.push(() => {
    if (!series || cursor.at === null) return text(at, axis());
    text(at, time(new Date(new Date(series.start).getTime() + cursor.at * 1000), true) + ", " + duration(cursor.at) + " after the begin");
  });
  const axis = () => (series && series.points.length ? "From " + time(series.start, true) + ", " + duration(series.until) + " long; one point is " + duration(series.step) + "." : "");

  const linesFrom = (start) => marks.map((m) => ({ x: (new Date(m.at) - new Date(start)) / 1000, kind: m.kind, text: time(m.at, true) + " " + m.text }));
  const list = () => {
    show(log, marks.length > 0);
    text(left, omitted > 0 ? counted(omitted, "event") + " between them, or before them, " + (omitted === 1 ? "is" : "are") + " left out." : "");
    show(left, omitted > 0);
    keyed(events, [...marks].reverse(), (m) => m.at + m.text, (m) => h("li", { class: m.kind }, h("time", {}, time(m.at, true)), " ", m.text));
  };
  const draw = () => {
    list();
    if (!series) return;
    const lines = linesFrom(series.start);
    for (const p of series.points) {
      if (p.c) lines.push({ x: p.t + p.d / 2, kind: "commit", text: counted(p.c, "commit") });
      if (p.th) lines.push({ x: p.t + p.d / 2, kind: "throttled", text: counted(p.th, "throttled call") });
    }
    for (const c of charts) c.draw(series, lines);
    if (cursor.at === null) text(at, axis());
  };
  const load = async () => {
    if (loading) return;
    loading = true;
    try {
      const answer = await get(runPath(context.key, "/series"));
      series = answer.points.length ? answer : null;
      marks = answer.marks || [];
      omitted = answer.omittedMarks || 0;
      loaded = performance.now();
      text(empty, answer.empty || (series ? "" : "The first point comes one second after the begin of the run."));
      show(empty, Boolean(empty.textContent));
      for (const c of charts) show(c.element, Boolean(series));
      const trend = series || !context.state ? null : trendSeries(context.state.run.failures.groups || []);
      show(stored.element, Boolean(trend));
      if (trend) {
        stored.draw(trend, linesFrom(trend.start));
        text(at, "Failures from " + time(trend.start, true) + " on, " + duration(trend.until) + " long.");
      }
      draw();
    } catch {
      // the next state tries again
    } finally {
      loading = false;
    }
  };
  return {
    element,
    update(state) {
      const tail = state.series;
      if (!series || !tail || tail.step !== series.step || tail.start !== series.start || state.first > series.points.length) {
        if (performance.now() - loaded > (series || !tail ? 4000 : 900)) load();
        return;
      }
      series.points.splice(state.first, series.points.length, ...tail.points);
      series.until = tail.until;
      marks.push(...later(state.run.marks || [], marks));
      const beyond = marks.length - 2 * mostMarks;
      if (beyond > 0) omitted += marks.splice(0, beyond).length;
      draw();
    },
  };
}

// 5. The oldest calls in flight.
function callsPart(context) {
  const rows = h("tbody", {});
  const table = h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ["Item", "Age", "Attempt", "Error before"].map((x) => h("th", { scope: "col" }, x)))), rows);
  const note = h("p", { class: "total" });
  const empty = h("p", { class: "empty" });
  const element = card("calls", "Oldest calls in flight", note, h("div", { class: "scroll" }, table), empty);
  return {
    element,
    update({ run }) {
      show(element, run.live);
      const calls = [...(run.calls || [])].sort((a, b) => (b.slow || b.stuck ? 1 : 0) - (a.slow || a.stuck ? 1 : 0) || b.age - a.age);
      show(table, calls.length > 0);
      const now = run.now;
      text(note, counted(now.inCalls, "call") + " of " + count(now.limit) + " in flight" +
        (now.p95 ? "; in the latest seconds half of the calls took up to " + duration(now.p50) + ", 95 % up to " + duration(now.p95) : "") + ".");
      text(empty, run.stats.paused ? "The run is paused: resume it to start calls." : "No call runs now.");
      show(empty, calls.length === 0);
      keyed(rows, calls, (c) => c.token, (c) => {
        const row = h("tr", { tabindex: "-1", "data-row": "", onclick: () => callDrawer(context, row.call) },
          h("td", {}, button("", () => {}, { class: "link-button key" })), h("td", { class: "n" }), h("td", { class: "n" }), h("td", { class: "message" }));
        row.addEventListener("keydown", (event) => {
          if (event.key === "Enter" && event.target === row) callDrawer(context, row.call);
        });
        return row;
      }, (row, c) => {
        row.call = c;
        const [item, age, attempt, last] = row.children;
        text(item.firstElementChild, (c.id || "(no ID)") + (c.items > 1 ? " and " + counted(c.items - 1, "other") : ""));
        text(age, duration(c.age) + (c.stuck ? " stuck" : c.slow ? " slow" : ""));
        age.className = "n " + (c.stuck ? "bad" : c.slow ? "wait" : "");
        age.title = c.slow ? "much longer than 95 % of the calls" : "";
        text(attempt, String(c.attempt));
        text(last, c.last || "");
      });
    },
  };
}

// The processes that work on a run on many machines.
function workersPart() {
  const rows = h("tbody", {});
  const heads = ["Worker", "Leases", "Calls", "Last seen", ""].map((x) => h("th", { scope: "col" }, x));
  const note = h("p", { class: "total" });
  const element = card("workers", "Workers", note, h("div", { class: "scroll" }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, heads)), rows)));
  return {
    element,
    update({ run }) {
      const workers = run.workers || [];
      show(element, run.live && workers.length > 0);
      const leases = workers.reduce((n, w) => n + w.leases, 0);
      text(note, counted(workers.filter((w) => w.leases > 0).length + (run.otherWorkers || 0), "worker") + ", " + counted(leases, "lease") +
        (run.otherWorkers ? "; " + counted(run.otherWorkers, "worker") + " not listed" : "") + ".");
      keyed(rows, workers, (w) => w.name, () => h("tr", {}, h("td", { class: "path" }), h("td", { class: "n" }), h("td", { class: "n" }), h("td", { class: "n" }), h("td", {})),
        (row, w) => {
          const [name, leased, calls, seen, state] = row.children;
          text(name, w.name);
          text(leased, count(w.leases));
          text(calls, count(w.inFlight));
          text(seen, duration(w.seen) + " ago");
          text(state, [w.silent && w.leases ? "silent: after 30 s others continue its leases" : "", w.lost ? counted(w.lost, "lease") + " lost, others continue" : ""].filter(Boolean).join("; "));
          seen.className = "n " + (w.silent ? "bad" : "");
          state.className = w.silent ? "bad" : "wait";
        });
    },
  };
}

// 7. Where the time of all goroutines goes.
function timePart() {
  const rows = h("div", { class: "shares" });
  const element = card("time", "Where time goes", rows);
  return {
    element,
    update({ run }) {
      const spent = (run.spent || []).filter((x) => run.live || x.seconds > 0);
      show(element, spent.length > 0); // only the process that works on a run measures it
      keyed(rows, spent, (x) => x.name, (x) => h("div", { class: "share " + x.name }, h("span", { class: "name" }, x.name),
        h("span", { class: "track" }, h("i", {})), h("b", {}), h("span", { class: "note" })), (row, x) => {
        row.children[1].firstElementChild.style.width = (x.share * 100).toFixed(1) + "%";
        text(row.children[2], percent(x.share));
        text(row.children[3], duration(x.seconds) + (x.text ? " " + x.text : ""));
      });
    },
  };
}

// 8. What a crash would cost, and what is stored.
function durabilityPart(context) {
  const line = h("p", {});
  const resume = h("p", { class: "next" });
  const manifest = h("p", { class: "path" });
  const rows = h("tbody", {});
  const parts = h("details", {}, h("summary", {}), h("div", { class: "scroll" }, h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["Object", "Kind", "Records", "Size"].map((x) => h("th", { scope: "col" }, x)))), rows)));
  const report = h("a", { class: "button", target: "_blank", rel: "noreferrer" }, "Open the report");
  const save = button("Save the report beside the manifest", async () => {
    try {
      context.say((await post(runPath(context.key, "/report"), {})).done);
    } catch (error) {
      context.say(error.message);
    }
  });
  const json = h("a", { class: "button", target: "_blank", rel: "noreferrer" }, "JSON");
  let stored = null;
  let asked = -Infinity;
  const look = async () => {
    if (!context.session.bucket || performance.now() - asked < 5000) return;
    asked = performance.now();
    try {
      stored = (await get(runPath(context.key, "?stored=1"))).stored || null;
    } catch {
      stored = null;
    }
  };
  return {
    element: card("durability", "Saved", line, resume, manifest, parts, h("div", { class: "actions" }, report, save, json)),
    update(state) {
      const { run } = state;
      if (state.stored) stored = state.stored;
      else if (run.live || !stored) look();
      const d = run.durable;
      text(line, d.last && run.live && new Date(d.last).getFullYear() > 1970
        ? "Last commit " + ago(d.last, run.at) + ". After kill -9, " + counted(d.runAgain, "item") + " would run again." +
          (run.written ? " Results of this process so far: " + bytes(run.written) + "." : "") : d.text);
      text(resume, run.live && d.journal ? "To resume after a crash, start the program again with run ID " + run.runId + "." : "");
      show(resume, Boolean(resume.textContent));
      show(save, Boolean(context.session.controls && stored));
      report.setAttribute("href", runPath(context.key, "/report.html"));
      json.setAttribute("href", runPath(context.key));
      show(parts, Boolean(stored && stored.parts.length));
      text(manifest, stored && stored.manifest ? "Manifest: " + stored.manifest : !stored && !context.session.bucket ? "The page has no bucket: set Options.Bucket to see the stored results." : "");
      show(manifest, Boolean(manifest.textContent));
      if (!stored) return;
      text(parts.firstElementChild, counted(stored.parts.length + (stored.omitted || 0), "result object") + ", " + counted(stored.records, "record") + ", " + bytes(stored.bytes) +
        (stored.lost ? "; " + counted(stored.lost, "record") + " lost" : ""));
      keyed(rows, stored.parts, (p) => p.key, (p) => h("tr", {}, h("td", { class: "path" }, p.key), h("td", {}, p.kind), h("td", { class: "n" }, count(p.records)), h("td", { class: "n" }, bytes(p.bytes))));
    },
  };
}
