package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

func median[T any](found []figures, of func(figures) T, less func(a, b T) int) T {
	values := make([]T, len(found))
	for i, f := range found {
		values[i] = of(f)
	}
	slices.SortFunc(values, less)
	return values[len(values)/2]
}

func medianOf(found []figures, of func(figures) float64) float64 {
	return median(found, of, func(a, b float64) int {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
}

// report prints the medians of the figures of each program.
func report(j job, programs []program, found [][]figures) {
	ideal := j.ideal()
	fmt.Printf("%s: %d items, %s, %d calls at once, %d rounds\n", j.Name, j.Items, j.About, j.Slots, len(found[0]))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "program\twall\tover ideal\tCPU an item\tratio\tserver an item\tleases\titems a lease\tevents\tbytes\tserver a lease\traw\tactions")
	for i, p := range programs {
		f := found[i]
		wall := medianOf(f, func(f figures) float64 { return f.wall.Seconds() })
		over := "-"
		if ideal > 0 {
			over = fmt.Sprintf("%.2f", wall/ideal.Seconds())
		}
		ratios := make([]figures, len(f))
		for k := range f {
			ratios[k].workers = time.Duration(1e9 * float64(f[k].workers) / float64(f[k].items) / float64(found[0][k].workers) * float64(found[0][k].items))
		}
		items := float64(f[0].items)
		fmt.Fprintf(w, "%s\t%.1f s\t%s\t%.2f us\t%.2f\t%.2f us", p.name, wall, over,
			medianOf(f, func(f figures) float64 { return float64(f.workers) / 1e3 / items }),
			medianOf(ratios, func(f figures) float64 { return f.workers.Seconds() }),
			medianOf(f, func(f figures) float64 { return float64(f.server) / 1e3 / items }))
		leases := medianOf(f, func(f figures) float64 { return float64(f.history.leases) })
		if leases == 0 {
			fmt.Fprintln(w, "\t\t\t\t\t\t\t")
			continue
		}
		per := func(of func(figures) float64) float64 {
			return medianOf(f, func(f figures) float64 { return of(f) / float64(f.history.leases) })
		}
		fmt.Fprintf(w, "\t%.0f\t%.0f\t%.2f\t%.0f\t%.1f ms\t%.1f ms\t%.0f\n", leases, items/leases,
			per(func(f figures) float64 { return float64(f.history.events) }),
			per(func(f figures) float64 { return float64(f.history.bytes) }),
			per(func(f figures) float64 { return float64(f.server-f.idle) / 1e6 }),
			per(func(f figures) float64 { return float64(f.server) / 1e6 }),
			medianOf(f, func(f figures) float64 { return float64(f.history.actions()) }))
	}
	_ = w.Flush()
	for i, p := range programs {
		if last := found[i][len(found[i])-1]; last.history.leases > 0 {
			fmt.Printf("%s, requests a lease: %s; history: %v\n", p.name, last.requests.each(last.history.leases), &last.history)
		}
	}
	fmt.Println()
}
