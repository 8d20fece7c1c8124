package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// printTable prints the median of each figure, and of its ratio to the first case in the same round.
func printTable(w io.Writer, t table, runs [][]measured) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tCPU us/item\tratio\twall s\tpeak MiB\tratio\t")
	for i, c := range t.cases {
		cpu := func(m measured) float64 { return float64(m.CPU) / float64(time.Microsecond) / float64(t.n) }
		peak := func(m measured) float64 { return float64(m.Peak) / (1 << 20) }
		wall := func(m measured) float64 { return m.Wall.Seconds() }
		fmt.Fprintf(tw, "%s\t%.1f\t%.3f\t%.2f\t%.0f\t%.2f\t\n", c.name,
			median(runs[i], cpu), ratio(runs[i], runs[0], cpu), median(runs[i], wall),
			median(runs[i], peak), ratio(runs[i], runs[0], peak))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "every case counted %d succeeded, %d failed; ratios are to the first line, round by round\n",
		runs[0][0].Succeeded, runs[0][0].Failed)
	return err
}

// median of what f says about each run.
func median(runs []measured, f func(measured) float64) float64 {
	values := make([]float64, len(runs))
	for i, m := range runs {
		values[i] = f(m)
	}
	return middle(values)
}

// ratio is the median of the ratios of runs of the same round.
func ratio(runs, base []measured, f func(measured) float64) float64 {
	values := make([]float64, len(runs))
	for i := range runs {
		values[i] = f(runs[i]) / f(base[i])
	}
	return middle(values)
}

func middle(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare[float64])
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
