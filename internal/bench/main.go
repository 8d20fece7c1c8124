// Command bench measures dmap beside programs that do the same without it.
//
//	go run ./internal/bench job
//	go run ./internal/bench -n 500000 -rounds 3 job durability
//	go run ./internal/bench -out docs/bench fanout      all tables under fanout/, kept as data and as charts
//	go run ./internal/bench -draw docs/bench            the charts again, from the data
//	go run ./internal/bench -cases 'dmap|errgroup' -profile prof fanout/b1-c100
//
// Each case runs in a process of its own, the rounds are interleaved, and what counts is the median of a ratio taken
// side by side: wall time on a shared machine says little.
//
// A table is a value of type table in a file of its own, and one line in tables. Its cases call work.start once their
// data is in memory, so that making it does not count; they return how many items succeeded and failed, which must be
// the same in all cases, and optionally units, bytes and named counts. figures choose the columns, the first of which is
// what ratios and the chart are about. owed are targets: they are printed as met or not, and never fail the command,
// because speed is measured, not asserted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
)

// tables are all there are, in the order of the usage text. A table "a/b" is also chosen by "a".
func tables() []table {
	return slices.Concat(
		[]table{job, durability},
		fanout(),
		listing(),
		folders(),
		large(),
		scale(),
		smallReads(),
		[]table{results},
		readers(),
	)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := bench(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	names       []string
	n           int64
	rounds      int
	concurrency int
	cases       string
	profile     string
	out         string
	charts      string
	draw        string
	child       string
	childCase   string
}

func bench(ctx context.Context, args []string) error {
	set, err := parse(args)
	if err != nil {
		return err
	}
	if set.draw != "" {
		return redraw(set.draw, set.charts)
	}
	chosen, err := choose(tables(), set.names)
	if err != nil {
		return err
	}
	only, err := regexp.Compile(set.cases)
	if err != nil {
		return fmt.Errorf("-cases: %w", err)
	}
	if set.childCase == serveCase {
		return serveKeys(ctx, os.Stdout, os.Stdin, set.child)
	}
	if set.child != "" {
		return runChild(ctx, os.Stdout, chosen[0], set.childCase, set.child)
	}
	var errs []error
	for i, t := range chosen {
		if i > 0 {
			fmt.Println()
		}
		errs = append(errs, show(ctx, os.Stdout, t.only(only), set))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// show measures one table, prints it, and keeps it where -out says.
func show(ctx context.Context, w io.Writer, t table, set settings) error {
	rep, err := runTable(ctx, w, t, set)
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	if err := rep.print(w); err != nil {
		return err
	}
	if set.out != "" {
		if err := rep.save(set.out); err != nil {
			return err
		}
		if err := rep.draw(set.charts); err != nil {
			return err
		}
	}
	return rep.broken()
}

// parse takes flags and names of tables in any order.
func parse(args []string) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Usage = func() { printUsage(flags) }
	flags.Int64Var(&set.n, "n", 0, "`items`; 0: each table's own number")
	flags.IntVar(&set.rounds, "rounds", 0, "`rounds`, of which the median counts; 0: each table's own number")
	flags.IntVar(&set.concurrency, "concurrency", 1000, "`calls` at once, where the table does not say")
	flags.StringVar(&set.cases, "cases", "", "only the cases whose names this `expression` finds")
	flags.StringVar(&set.profile, "profile", "", "write CPU profiles of the cases into this `folder`; they cost a little")
	flags.StringVar(&set.out, "out", "", "also write data into this `folder`, and charts")
	flags.StringVar(&set.charts, "charts", "docs/charts", "`folder` for charts")
	flags.StringVar(&set.draw, "draw", "", "draw charts from the data in this `folder`, measure nothing")
	flags.StringVar(&set.child, "child", "", "run one case on the `workload` in JSON (for the command itself)")
	flags.StringVar(&set.childCase, "case", "", "`name` of that case (for the command itself)")
	for _, name := range []string{job.name, durability.name} {
		flags.BoolFunc(name, "the same as the name alone", func(string) error {
			set.names = append(set.names, name)
			return nil
		})
	}
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return set, err
		}
		if args = flags.Args(); len(args) > 0 {
			set.names, args = append(set.names, args[0]), args[1:]
		}
	}
	if len(set.names) == 0 && set.draw == "" {
		flags.Usage()
		return set, errors.New("want the name of a table")
	}
	if set.n < 0 || set.rounds < 0 || set.concurrency < 1 {
		return set, errors.New("want -n, -rounds and -concurrency that make sense")
	}
	return set, nil
}

func printUsage(flags *flag.FlagSet) {
	w := flags.Output()
	fmt.Fprintf(w, "bench [flags] table...\n\ntables (\"all\" takes every one, the part before the slash all of its kind):\n")
	for _, t := range tables() {
		fmt.Fprintf(w, "  %s\n    \t%s\n", t.name, t.what)
	}
	fmt.Fprintf(w, "\nflags:\n")
	flags.PrintDefaults()
}

// choose returns the tables that names say, in their own order.
func choose(all []table, names []string) ([]table, error) {
	var chosen []table
	for _, name := range names {
		before := len(chosen)
		for _, t := range all {
			if name == "all" || name == t.name || strings.HasPrefix(t.name, name+"/") {
				chosen = append(chosen, t)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("no table %q", name)
		}
	}
	return chosen, nil
}
