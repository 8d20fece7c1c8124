// Small charts as SVG: several curves over one time axis, with a cursor that all charts share.

import { h, s, text, append } from "./dom.js";

const width = 600;
const height = 110;

// niceTop is the next of 1, 2, 5, 10, ... at or above a value.
function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = Math.pow(10, Math.floor(Math.log10(value)));
  for (const step of [1, 2, 5, 10]) if (value <= step * power * 1.0001) return step * power;
  return 10 * power;
}

// path draws the points that have a value; a gap where there is none.
function path(points, until, top, value) {
  let out = "";
  let pen = false;
  for (const p of points) {
    const v = value(p);
    if (v === null || !isFinite(v)) {
      pen = false;
      continue;
    }
    const x = ((p.t + p.d / 2) / until) * width;
    const y = height - Math.min(1, v / top) * (height - 6);
    out += (pen ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1);
    if (!pen && points.length === 1) out += "h1";
    pen = true;
  }
  return out;
}

// chart makes a chart. curves are {name, className, value, area}; format makes a text of a value.
// cursor is shared: {at, listeners}.
export function chart(title, curves, format, cursor) {
  const scale = h("span", { class: "chart-top" });
  const legend = h("div", { class: "chart-legend" });
  const marks = s("g", { class: "marks" });
  const lines = curves.map((c) => s("path", { class: "curve " + c.className + (c.area ? " area" : "") }));
  const line = s("line", { class: "cursor", y1: 0, y2: height, visibility: "hidden" });
  const description = s("title", {});
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", tabindex: "-1" },
    description, s("line", { class: "grid", x1: 0, x2: width, y1: height - (height - 6) / 2, y2: height - (height - 6) / 2 }), marks, lines, line);
  const values = curves.map((c) => {
    const value = h("b", {});
    append(legend, [h("span", { class: "key " + c.className }, h("i", { "aria-hidden": "true" }), c.name + " ", value)]);
    return value;
  });
  let series = { points: [], until: 1 };

  const readout = () => {
    const points = series.points;
    let at = points.length - 1;
    if (cursor.at !== null && points.length) {
      at = points.findIndex((p) => cursor.at < p.t + p.d);
      if (at < 0) at = points.length - 1;
    } else if (points.length > 1 && points[at].d < series.step / 2) at--; // the last point has just begun
    const p = points[at];
    curves.forEach((c, i) => {
      const v = p ? c.value(p) : null;
      text(values[i], v === null || v === undefined ? "–" : format(v));
    });
    if (cursor.at === null || !p) line.setAttribute("visibility", "hidden");
    else {
      const x = Math.min(1, cursor.at / series.until) * width;
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.setAttribute("visibility", "visible");
    }
  };
  cursor.listeners.push(readout);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    cursor.set(((event.clientX - box.left) / box.width) * series.until);
  });
  svg.addEventListener("pointerleave", () => cursor.set(null));

  return {
    element: h("figure", { class: "chart" }, h("figcaption", {}, title, scale), svg, legend),
    draw(next, events) {
      series = next;
      const until = Math.max(series.until, 1e-9);
      let highest = 0;
      for (const p of series.points) for (const c of curves) highest = Math.max(highest, c.value(p) || 0);
      const top = niceTop(highest);
      text(scale, series.points.length ? "0 to " + format(top) : "");
      curves.forEach((c, i) => {
        let d = path(series.points, until, top, c.value);
        if (c.area && d) {
          const first = series.points[0];
          const last = series.points[series.points.length - 1];
          d += `L${(((last.t + last.d / 2) / until) * width).toFixed(1)} ${height}L${(((first.t + first.d / 2) / until) * width).toFixed(1)} ${height}Z`;
        }
        lines[i].setAttribute("d", d);
      });
      marks.replaceChildren(...events.filter((m) => m.x >= 0 && m.x <= until).map((m) =>
        s("line", { class: "mark " + m.kind, x1: (m.x / until) * width, x2: (m.x / until) * width, y1: m.kind === "commit" ? height - 5 : 0, y2: height },
          s("title", {}, m.text))));
      text(description, title + ": " + curves.map((c, i) => c.name + " " + values[i].textContent).join(", "));
      readout();
    },
  };
}

// makeCursor is the position that charts share, in seconds since the start; null: none.
export function makeCursor() {
  const cursor = {
    at: null,
    listeners: [],
    set(at) {
      cursor.at = at === null ? null : Math.max(0, at);
      for (const listener of cursor.listeners) listener();
    },
  };
  return cursor;
}

// sparkline draws counts over time.
export function sparkline(trend) {
  const counts = (trend && trend.counts) || [];
  const top = Math.max(1, ...counts);
  const bars = counts.map((n, i) =>
    s("rect", { x: i * 2, y: 16 - Math.max(n ? 1 : 0, (n / top) * 16), width: 1.6, height: Math.max(n ? 1 : 0, (n / top) * 16) }));
  return s("svg", { class: "spark", viewBox: `0 0 ${Math.max(40, counts.length * 2)} 16`, preserveAspectRatio: "none", "aria-hidden": "true" }, bars);
}
