// Command bench measures dmap beside programs that do the same without it.
//
// Each case runs in a process of its own, the rounds are interleaved, and what counts is the median of a ratio taken
// side by side: wall time on a shared machine says little.
//
//	go run ./internal/bench -job
//	go run ./internal/bench -job -n 500000 -rounds 3
//	go run ./internal/bench -durability
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/go-dmap/dmap/internal/usage"
)

// table is some cases that do the same work.
type table struct {
	name    string // also the flag that chooses it
	what    string
	n       int64                                                // items unless -n says otherwise
	prepare func(ctx context.Context, dir string, n int64) error // once, in the parent; not measured
	cases   []benchCase                                          // the first is what the others are compared with
}

// benchCase does the work of its table once, in a process of its own.
type benchCase struct {
	name string
	run  func(ctx context.Context, work workload) (outcome, error)
}

// workload is what a case gets.
type workload struct {
	Dir         string // made by prepare
	Scratch     string // empty folder for results
	N           int64
	Concurrency int
}

// outcome is what a case counted: all cases of a table must agree.
type outcome struct {
	Succeeded, Failed int64
}

// measured is what the child process prints.
type measured struct {
	outcome
	CPU, Wall time.Duration
	Peak      int64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context) error {
	isJob := flag.Bool(job.name, false, "the job of examples/loansim: objects of a folder to JSON lines")
	isDurability := flag.Bool(durability.name, false, "that job with and without a journal")
	n := flag.Int64("n", 0, "`items`; 0: the table's own number")
	rounds := flag.Int("rounds", 5, "`rounds`, of which the median counts")
	concurrency := flag.Int("concurrency", 1000, "calls at once")
	child := flag.String("child", "", "run one case on the `workload` in JSON (for the command itself)")
	name := flag.String("case", "", "`name` of that case (for the command itself)")
	flag.Parse()
	if flag.NArg() > 0 || *isJob == *isDurability || *n < 0 || *rounds < 1 || *concurrency < 1 {
		flag.Usage()
		return fmt.Errorf("want either -job or -durability, and -n, -rounds and -concurrency that make sense")
	}
	t := job
	if *isDurability {
		t = durability
	}
	if *child != "" {
		return runChild(ctx, t, *name, *child)
	}
	if *n > 0 {
		t.n = *n
	}
	return runTable(ctx, t, *rounds, *concurrency)
}

// runChild runs one case and prints what it took.
func runChild(ctx context.Context, t table, name, workJSON string) error {
	var work workload
	if err := json.Unmarshal([]byte(workJSON), &work); err != nil {
		return fmt.Errorf("-child: %w", err)
	}
	for _, c := range t.cases {
		if c.name != name {
			continue
		}
		before, start := usage.Now(), time.Now()
		out, err := c.run(ctx, work)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		after := usage.Now()
		return json.NewEncoder(os.Stdout).Encode(measured{out, after.CPU - before.CPU, time.Since(start), after.Peak})
	}
	return fmt.Errorf("no case %q", name)
}

// runTable prepares the data, runs all cases round by round, and prints the medians.
func runTable(ctx context.Context, t table, rounds, concurrency int) error {
	dir, err := os.MkdirTemp("", "dmap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%s: %s\n%d items, %d calls at once, %d rounds\n", t.name, t.what, t.n, concurrency, rounds)
	if err := t.prepare(ctx, dir, t.n); err != nil {
		return err
	}
	runs := make([][]measured, len(t.cases)) // by case, then by round
	for round := range rounds {
		for i := range t.cases {
			c := (i + round) % len(t.cases) // nobody is always first
			m, err := spawn(ctx, t.name, t.cases[c].name, workload{Dir: dir, N: t.n, Concurrency: concurrency})
			if err != nil {
				return err
			}
			runs[c] = append(runs[c], m)
			if m.outcome != runs[c][0].outcome || len(runs[0]) > 0 && m.outcome != runs[0][0].outcome {
				return fmt.Errorf("%s: counted %+v, another run %+v", t.cases[c].name, m.outcome, runs[0][0].outcome)
			}
		}
	}
	return printTable(os.Stdout, t, runs)
}

// spawn runs one case of a table in a process of its own, with an empty folder for its results.
func spawn(ctx context.Context, tableName, name string, work workload) (measured, error) {
	scratch, err := os.MkdirTemp("", "dmap-bench-out-")
	if err != nil {
		return measured{}, err
	}
	defer os.RemoveAll(scratch)
	work.Scratch = scratch
	workJSON, err := json.Marshal(work)
	if err != nil {
		return measured{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return measured{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-"+tableName, "-case", name, "-child", string(workJSON))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return measured{}, fmt.Errorf("%s: %w", name, err)
	}
	var m measured
	if err := json.Unmarshal(out, &m); err != nil {
		return measured{}, fmt.Errorf("%s printed %q: %w", name, out, err)
	}
	return m, nil
}
