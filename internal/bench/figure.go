package main

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// figure is a number that says how good a case is.
type figure struct {
	name   string // of the column; what ends in a slash is per unit of the table
	digits int    // after the point
	more   bool   // more is better
	of     func(m measured, w workload) float64
}

var (
	cpuNanos  = figure{"CPU ns/", 1, false, func(m measured, _ workload) float64 { return float64(m.CPU) / m.units() }}
	cpuMicros = figure{"CPU us/", 1, false, func(m measured, _ workload) float64 { return float64(m.CPU) / 1e3 / m.units() }}
	cpuTotal  = figure{"CPU s", 2, false, func(m measured, _ workload) float64 { return m.CPU.Seconds() }}

	wallNanos   = figure{"wall ns/", 1, false, func(m measured, _ workload) float64 { return float64(m.Wall) / m.units() }}
	wallMillis  = figure{"wall ms", 1, false, func(m measured, _ workload) float64 { return float64(m.Wall) / float64(time.Millisecond) }}
	wallSeconds = figure{"wall s", 2, false, func(m measured, _ workload) float64 { return m.Wall.Seconds() }}

	// perCPUSecond and perSecond need outcome.Bytes. A MB is a million bytes.
	perCPUSecond = figure{"MB/CPU-s", 0, true, func(m measured, _ workload) float64 { return float64(m.Bytes) / 1e6 / m.CPU.Seconds() }}
	perSecond    = figure{"MB/s", 0, true, func(m measured, _ workload) float64 { return float64(m.Bytes) / 1e6 / m.Wall.Seconds() }}

	// unitsPerSecond is what a speed-up is a ratio of.
	unitsPerSecond = figure{"1/s", 0, true, func(m measured, _ workload) float64 { return m.units() / m.Wall.Seconds() }}

	peakMiB  = figure{"peak MiB", 0, false, func(m measured, _ workload) float64 { return float64(m.Peak) / (1 << 20) }}
	addedMiB = figure{"added MiB", 1, false, func(m measured, _ workload) float64 { return float64(m.Peak-m.Resident) / (1 << 20) }}

	allocs     = figure{"allocs/", 2, false, func(m measured, _ workload) float64 { return float64(m.Allocs) / m.units() }}
	allocBytes = figure{"B/", 0, false, func(m measured, _ workload) float64 { return float64(m.Allocated) / m.units() }}
)

// countOf is what cases report in outcome.Counts under a name, such as "requests".
func countOf(name string) figure {
	return figure{name, 0, false, func(m measured, _ workload) float64 { return m.Counts[name] }}
}

func (f figure) title(unit string) string {
	if strings.HasSuffix(f.name, "/") {
		return f.name + unit
	}
	return f.name
}

// median of what f says about each run.
func (f figure) median(runs []measured, w workload) float64 {
	values := make([]float64, len(runs))
	for i, m := range runs {
		values[i] = f.of(m, w)
	}
	return middle(values)
}

// ratio is the median of the ratios of runs of the same round. It is false where the base is zero.
func (f figure) ratio(runs, base []measured, w workload) (float64, bool) {
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
