package main

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// figure is a column of a table: a number computed from a measurement.
type figure struct {
	name   string // of the column; if it ends in a slash, the unit of the table is appended
	digits int    // after the decimal point
	more   bool   // higher is better
	of     func(m measured, w workload) float64
}

var (
	cpuNanos  = figure{"CPU ns/", 1, false, func(m measured, _ workload) float64 { return float64(m.CPU) / m.units() }}
	cpuMicros = figure{"CPU us/", 1, false, func(m measured, _ workload) float64 { return float64(m.CPU) / 1e3 / m.units() }}
	cpuTotal  = figure{"CPU s", 2, false, func(m measured, _ workload) float64 { return m.CPU.Seconds() }}

	wallNanos   = figure{"wall ns/", 1, false, func(m measured, _ workload) float64 { return float64(m.Wall) / m.units() }}
	wallMillis  = figure{"wall ms", 1, false, func(m measured, _ workload) float64 { return float64(m.Wall) / float64(time.Millisecond) }}
	wallSeconds = figure{"wall s", 2, false, func(m measured, _ workload) float64 { return m.Wall.Seconds() }}

	// perCPUSecond and perSecond need outcome.Bytes. 1 MB is a million bytes.
	perCPUSecond = figure{"MB/CPU-s", 0, true, func(m measured, _ workload) float64 { return float64(m.Bytes) / 1e6 / m.CPU.Seconds() }}
	perSecond    = figure{"MB/s", 0, true, func(m measured, _ workload) float64 { return float64(m.Bytes) / 1e6 / m.Wall.Seconds() }}

	// unitsPerSecond is the figure for speed-ups.
	unitsPerSecond = figure{"1/s", 0, true, func(m measured, _ workload) float64 { return m.units() / m.Wall.Seconds() }}

	peakMiB  = figure{"peak MiB", 0, false, func(m measured, _ workload) float64 { return float64(m.Peak) / (1 << 20) }}
	addedMiB = figure{"added MiB", 1, false, func(m measured, _ workload) float64 { return float64(m.Peak-m.Resident) / (1 << 20) }}

	allocs     = figure{"allocs/", 2, false, func(m measured, _ workload) float64 { return float64(m.Allocs) / m.units() }}
	allocBytes = figure{"B/", 0, false, func(m measured, _ workload) float64 { return float64(m.Allocated) / m.units() }}
)

// countOf returns the figure of a name in outcome.Counts, such as "requests".
func countOf(name string) figure {
	return figure{name, 0, false, func(m measured, _ workload) float64 { return m.Counts[name] }}
}

func (f figure) title(unit string) string {
	if strings.HasSuffix(f.name, "/") {
		return f.name + unit
	}
	return f.name
}

// median returns the median of f over the runs.
func (f figure) median(runs []measured, w workload) float64 {
	values := make([]float64, len(runs))
	for i, m := range runs {
		values[i] = f.of(m, w)
	}
	return middle(values)
}

// ratio returns the median of the ratios of runs in the same round. ok is false if the base is
// zero.
func (f figure) ratio(runs, base []measured, w workload) (ratio float64, ok bool) {
	values := make([]float64, len(runs))
	for i := range runs {
		b := f.of(base[i], w)
		if b == 0 {
			return 0, false
		}
		values[i] = f.of(runs[i], w) / b
	}
	return middle(values), true
}

func middle(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare[float64])
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
