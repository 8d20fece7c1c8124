// Command bench measures dmap beside programs that do the same work without it.
//
//	go run ./internal/bench job
//	go run ./internal/bench -n 500000 -rounds 3 job durability
//	go run ./internal/bench -out docs/bench fanout   all tables under fanout/, data and charts
//	go run ./internal/bench flow                     servers that throttle: no table, a report of
//	                                                 its own; flow/http and flow/s3 are its parts
//	go run ./internal/bench page                     what the page of a run costs it; the same
//	go run ./internal/bench -draw docs/bench         draws the charts again, from the data
//	go run ./internal/bench -cases 'dmap|errgroup' -profile prof fanout/b1-c100
//
// Each case runs in a process of its own, and the rounds of all cases are interleaved. The
// important number is the median ratio of two cases in the same round: absolute wall times on a
// shared machine are not reliable.
//
// A table is a value of type table in a file of its own, and an entry in the function tables. Each
// case calls work.start when its input is in memory, so that preparation is not measured. It
// returns the numbers of succeeded and failed items, which must be equal in all cases of the
// table, and optionally units, bytes and named counts. figures are the columns; the first one is
// used for ratios and for the chart. targets are printed as met or not met. A target that is not
// met does not fail the command, because speed is measured here, not asserted.
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

// tables returns all tables, in the order of the usage text. The name "a" selects the table "a/b",
// too.
func tables() []table {
	return slices.Concat(
		[]table{job, durability, leases},
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

// settings holds the values of the flags.
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
	against     string
}

func bench(ctx context.Context, args []string) error {
	set, err := parse(args)
	if err != nil {
		return err
	}
	if set.draw != "" {
		return redraw(set.draw, set.charts)
	}
	if len(set.names) == 1 && strings.HasPrefix(set.names[0], "flow") {
		return showFlow(ctx, os.Stdout, set.names[0])
	}
	if len(set.names) == 1 && set.names[0] == readersName {
		return readStreams(ctx, os.Stdout, os.Stdin, set.child)
	}
	if len(set.names) == 1 && set.names[0] == "page" {
		return showPage(ctx, os.Stdout)
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

// show measures one table, prints it, and saves it if -out is set.
func show(ctx context.Context, w io.Writer, t table, set settings) error {
	if set.against != "" {
		return against(ctx, w, t, set)
	}
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
	return rep.failedCases()
}

// parse accepts flags and table names in any order.
func parse(args []string) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Usage = func() { printUsage(flags) }
	flags.Int64Var(&set.n, "n", 0, "number of `items`; 0: the default of each table")
	flags.IntVar(&set.rounds, "rounds", 0, "number of `rounds`; the tables show medians; 0: the default of each table")
	flags.IntVar(&set.concurrency, "concurrency", 1000, "maximum number of concurrent `calls`, for tables without a number of their own")
	flags.StringVar(&set.cases, "cases", "", "run only the cases whose names match this regular `expression`")
	flags.StringVar(&set.profile, "profile", "", "write CPU profiles of the cases to this `folder`; profiling slows them down a little")
	flags.StringVar(&set.against, "against", "", "compare dmap's cases with those of another `binary` of this command, in turn")
	flags.StringVar(&set.out, "out", "", "also write data to this `folder`, and charts to the folder of -charts")
	flags.StringVar(&set.charts, "charts", "docs/charts", "`folder` of the charts")
	flags.StringVar(&set.draw, "draw", "", "draw charts from the data in this `folder`, without measuring")
	flags.StringVar(&set.child, "child", "", "run one case on this `workload`, in JSON (internal)")
	flags.StringVar(&set.childCase, "case", "", "`name` of that case (internal)")
	for _, name := range []string{job.name, durability.name} {
		flags.BoolFunc(name, "same as the table name without a dash", func(string) error {
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
		return set, errors.New("no table given: want at least one table name, or \"all\"")
	}
	if set.n < 0 || set.rounds < 0 || set.concurrency < 1 {
		return set, fmt.Errorf("-n %d, -rounds %d, -concurrency %d: want -n and -rounds of at least 0, -concurrency of at least 1",
			set.n, set.rounds, set.concurrency)
	}
	return set, nil
}

func printUsage(flags *flag.FlagSet) {
	w := flags.Output()
	fmt.Fprintf(w, "bench [flags] table...\n\ntables (\"all\" selects every table, the part before a slash all tables of that group):\n")
	for _, t := range tables() {
		fmt.Fprintf(w, "  %s\n    \t%s\n", t.name, t.what)
	}
	fmt.Fprintf(w, "\nflags:\n")
	flags.PrintDefaults()
}

// choose returns the selected tables, in the order of names.
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
			return nil, fmt.Errorf("no table %q: bench -h lists the tables", name)
		}
	}
	return chosen, nil
}
