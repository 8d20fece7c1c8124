// The failures of a stored run over time.

// trendSeries adds up the failures of groups over time, in at most about 240 intervals: those of a
// redrive may come weeks after the others.
export function trendSeries(groups) {
  const trends = groups.map((g) => g.trend).filter((t) => t && t.width > 0);
  if (!trends.length) return null;
  const first = Math.min(...trends.map((t) => t.start));
  const last = Math.max(...trends.map((t) => t.start + t.width * t.counts.length));
  let width = Math.max(...trends.map((t) => t.width)); // a power of two, as all widths
  while (last - first > 240 * width) width *= 2;
  const start = Math.floor(first / width) * width;
  const points = [];
  for (const t of trends) {
    t.counts.forEach((n, i) => {
      const at = Math.floor((t.start + i * t.width - start) / width);
      while (points.length <= at) points.push({ t: points.length * width, d: width, f: 0 });
      points[at].f += n;
    });
  }
  if (points.length < 3) return null; // too short for a curve
  return { start: new Date(start * 1000).toISOString(), step: width, until: points.length * width, points };
}
