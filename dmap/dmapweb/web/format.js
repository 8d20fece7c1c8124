// Numbers with units, in the reader's own time zone.

const digits = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const count = (n) => digits.format(n || 0);
export const counted = (n, noun) => (n === 1 ? "1 " + noun : count(n) + " " + noun + "s");

export function duration(seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 0.001) return Math.round(seconds * 1e6) + " µs";
  if (seconds < 0.9995) return Math.round(seconds * 1e3) + " ms";
  if (seconds < 9.95) return +seconds.toFixed(1) + " s";
  if (seconds < 59.5) return Math.round(seconds) + " s";
  if (seconds < 3599.5) return two(Math.round(seconds), 60, "min", "s");
  if (seconds < 86370) return two(Math.round(seconds / 60), 60, "h", "min");
  return two(Math.round(seconds / 3600), 24, "d", "h");
}

function two(n, per, large, small) {
  const rest = n % per;
  return Math.floor(n / per) + " " + large + (rest ? " " + rest + " " + small : "");
}

export function perSecond(n) {
  if (!(n > 0)) return "0/s";
  return (n < 10 ? +n.toFixed(1) : count(Math.round(n))) + "/s";
}

export function percent(share) {
  const p = share * 100;
  if (!(p > 0)) return "0 %";
  if (p >= 100) return "100 %";
  if (p < 0.1) return "< 0.1 %";
  if (p < 1) return +p.toFixed(1) + " %";
  if (p > 99) return Math.floor(p * 10) / 10 + " %";
  return Math.round(p) + " %";
}

export function bytes(n) {
  if (n < 1024) return n + " B";
  let unit = -1;
  for (; n >= 1024 && unit < 4; unit++) n /= 1024;
  return n.toFixed(1) + " " + ["KiB", "MiB", "GiB", "TiB", "PiB"][unit];
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function time(value, precise) {
  const at = new Date(value);
  if (!value || isNaN(at) || at.getFullYear() < 1971) return "";
  const today = new Date().toDateString() === at.toDateString();
  if (!today) return day.format(at);
  return (precise ? clockSeconds : clock).format(at);
}

// ago is the time from value to at: both are times of the server, whose clock may not be ours.
export const ago = (value, at) => duration(Math.max(0, (new Date(at) - new Date(value)) / 1000)) + " ago";

// eta is the estimate in words.
export function eta(e) {
  if (!e || !e.known) return (e && e.why) || "";
  const precise = e.left < 600;
  const about = time(e.about, precise);
  const early = time(e.early, precise);
  const late = e.late ? time(e.late, precise) : "";
  let text = "Done about " + about;
  if (!late) text += ", or much later: some of the latest seconds settled nothing";
  else if (early !== about || late !== about) text += " (" + early + " to " + late + ")";
  return text + ".";
}

export function rate(r) {
  const limits = [];
  if (r && r.calls > 0) limits.push(+r.calls.toFixed(2) + " calls/s");
  if (r && r.items > 0) limits.push(+r.items.toFixed(2) + " items/s");
  return limits.join(", ") || "no limit";
}

export function tolerance(t) {
  const limits = [];
  if (t && t.count > 0) limits.push(counted(t.count, "item"));
  if (t && t.percentage > 0) limits.push(t.percentage + " %");
  return limits.join(" or ") || "none";
}
