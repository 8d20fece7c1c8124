package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// against runs our cases of a table with this binary and with an older one, in turn, and prints the
// ratios. It tells whether a change made dmap slower on a machine whose speed drifts.
func against(ctx context.Context, w io.Writer, t table, set settings) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t.cases = slices.DeleteFunc(slices.Clone(t.cases), func(c benchCase) bool { return !c.ours })
	t.rounds = cmp.Or(t.rounds, 10)
	if len(t.cases) == 0 {
		return errors.New("the table has no case of ours")
	}
	var sides [2]rounds
	first := 0
	_, err = runTableWith(ctx, w, t, set, func(ctx context.Context, table, name string, work workload) (measured, error) {
		var both [2]measured
		for k := range both {
			side := (first + k) % 2 // a different binary is first each time
			m, err := spawnOf(ctx, []string{self, set.against}[side], table, name, work)
			if err != nil {
				return measured{}, fmt.Errorf("binary %d: %w", side+1, err)
			}
			both[side] = m
		}
		first++
		at := slices.IndexFunc(t.cases, func(c benchCase) bool { return c.name == name })
		for side := range both {
			for len(sides[side].runs) < len(t.cases) {
				sides[side].runs = append(sides[side].runs, nil)
			}
			sides[side].runs[at] = append(sides[side].runs[at], both[side])
		}
		return both[0], nil
	})
	if err != nil {
		return err
	}
	return printRatios(w, t, sides)
}

// printRatios prints this binary over the older one, median and range of the rounds.
func printRatios(w io.Writer, t table, sides [2]rounds) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "case\trounds\tCPU new/old\tfrom - to\tallocs new/old\tpeak new/old\t")
	for i, c := range t.cases {
		if i >= len(sides[0].runs) || len(sides[0].runs[i]) == 0 { // such as one that the older binary does not have
			fmt.Fprintf(out, "%s\t0\t\t\t\t\t\n", c.name)
			continue
		}
		now, old := sides[0].runs[i], sides[1].runs[i]
		var cpu []float64
		for k := range now {
			cpu = append(cpu, float64(now[k].CPU)/float64(old[k].CPU))
		}
		ratio := middle(cpu)
		count, _ := allocs.ratio(now, old, workload{})
		peak, _ := peakMiB.ratio(now, old, workload{})
		fmt.Fprintf(out, "%s\t%d\t%.3f\t%.3f - %.3f\t%.3f\t%.3f\t\n", c.name, len(cpu), ratio, cpu[0], cpu[len(cpu)-1], count, peak)
	}
	return out.Flush()
}
