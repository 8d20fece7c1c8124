package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

func heading(w io.Writer, t table, work workload, rounds int) error {
	atOnce := fmt.Sprintf("%d calls at once, ", work.Concurrency)
	if t.varies {
		atOnce = ""
	}
	_, err := fmt.Fprintf(w, "%s: %s\n%d %ss, %s%d rounds\n", t.name, t.what, work.N, t.unitName(), atOnce, rounds)
	return err
}

// print prints the median of each figure, and the median ratio of the first figure to the base
// case in the same round.
func (r report) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, c := range r.Columns {
		fmt.Fprintf(tw, "\t%s", c.Name)
		if i == 0 {
			fmt.Fprint(tw, "\tratio")
		}
	}
	fmt.Fprintln(tw, "\t")
	for _, c := range r.Cases {
		if c.Failure == "" {
			printCase(tw, r.Columns, c)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, c := range r.Cases {
		if c.Failure != "" {
			fmt.Fprintf(w, "%s: %s\n", c.Name, c.Failure)
		}
	}
	r.printCounts(w)
	if err := r.printSeries(w); err != nil {
		return err
	}
	for _, v := range r.Targets {
		if _, err := fmt.Fprintln(w, v); err != nil {
			return err
		}
	}
	return nil
}

func printCase(w io.Writer, columns []reportColumn, c reportCase) {
	fmt.Fprint(w, c.Name)
	for i, value := range c.Medians {
		fmt.Fprintf(w, "\t%.*f", columns[i].Digits, value)
		if i == 0 && c.Ratio == 0 {
			fmt.Fprint(w, "\t-")
		} else if i == 0 {
			fmt.Fprintf(w, "\t%.3f", c.Ratio)
		}
	}
	fmt.Fprintln(w, "\t")
}

func (r report) printCounts(w io.Writer) {
	for _, c := range r.Cases {
		if c.Failure == "" && r.Varies {
			fmt.Fprintf(w, "ratios: to %q in the same round, median of the rounds\n", r.Base)
			return
		}
		if c.Failure == "" {
			fmt.Fprintf(w, "every case counted %d succeeded, %d failed; ratios: to %q in the same round, median of the rounds\n",
				c.Runs[0].Succeeded, c.Runs[0].Failed, r.Base)
			return
		}
	}
}

// printSeries prints the progress of the cases over time, in the last round.
func (r report) printSeries(w io.Writer) error {
	for _, c := range r.Cases {
		series := seriesOf(c)
		if len(series) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s, over time:\n", c.Name)
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(tw, "  wall s\tdone\tCPU ns per item since the last line\tresident MiB\t")
		var last point
		for _, at := range series {
			each := "-"
			if at.Units > last.Units {
				each = strconv.FormatFloat(float64(at.CPU-last.CPU)/float64(at.Units-last.Units), 'f', 0, 64)
			}
			fmt.Fprintf(tw, "  %.2f\t%d\t%s\t%.1f\t\n", at.At.Seconds(), at.Units, each, mib(at))
			last = at
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (v verdict) String() string {
	switch {
	case v.None != "":
		return "target " + v.Text + ": " + v.None
	case v.Met:
		return "target " + v.Text + ": " + short(v.Got) + ", met"
	}
	return "target " + v.Text + ": " + short(v.Got) + ", NOT met"
}

// short formats f with three significant digits.
func short(f float64) string {
	if math.Abs(f) >= 100 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}
