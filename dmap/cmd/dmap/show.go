package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

func showRun(ctx context.Context, c *call) error {
	r, err := c.load(ctx)
	if errors.Is(err, results.ErrNoManifest) {
		if c.json {
			if err := json.NewEncoder(c.stdout).Encode(runLine{RunID: c.runID, Status: results.Open}); err != nil {
				return err
			}
			return c.checked(nil)
		}
		fmt.Fprintf(c.stdout, "run %s keeps no journal (BucketOptions.Express) and has not ended: nothing of it counts yet\n", printable(c.runID))
		return c.checked(nil)
	}
	if err != nil {
		return err
	}
	if c.json {
		s := r.Stats
		line := runLine{
			RunID: r.RunID, Status: r.Status, Reason: s.Reason, Error: r.Error, Redrive: r.Redrive, Source: r.Source,
			Started: r.Started, Stopped: r.Stopped, Stats: &s, Tolerance: r.Tolerance, Edits: r.Edits, EditCount: r.EditCount,
		}
		if err := json.NewEncoder(c.stdout).Encode(line); err != nil {
			return err
		}
		return c.checked(r)
	}
	printRun(c.stdout, r)
	if err := c.printTop(ctx, r); err != nil {
		return err
	}
	return c.checked(r)
}

// checked is the result of -check.
func (c *call) checked(r *results.Run) error {
	if c.check && (r == nil || r.Status != results.Succeeded) {
		return errState
	}
	return nil
}

// printRun prints how a run stands.
func printRun(out io.Writer, r *results.Run) {
	s := r.Stats
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	line("run", "%s", printable(r.RunID))
	line("state", "%s", state(r.Status, s.Reason))
	if r.Error != "" {
		first, _, _ := strings.Cut(r.Error, "\n") // the lines after it list failures, which follow in groups
		line("error", "%s", short(first, 500))
	}
	line("items", "%s read: %s succeeded, %s failed, %s skipped, %s held, %s pending",
		number(s.Read), number(s.Succeeded), number(s.Failed), number(s.Skipped), number(s.Held), number(s.Pending))
	if r.Tolerance != nil {
		line("tolerance", "%s", gauge(r))
	}
	if partlyRead(r) {
		line("unread", "a part of the source: the run stopped before its end")
	}
	if s.BrokenObjects > 0 {
		line("broken", "%s objects broke off; the first is %s", number(s.BrokenObjects), firstBroken(r))
	}
	if len(r.Lost) > 0 {
		line("lost", "records of %d parts could not be written; the first is of item %s", len(r.Lost), printable(r.Lost[0].First))
	}
	line("calls", "%s, %s of them retries", number(s.Calls), number(s.Retries))
	line("source", "%s", short(r.Source, 200))
	line("started", "%s", moment(r.Started))
	if !r.Stopped.IsZero() {
		line("stopped", "%s", moment(r.Stopped))
	}
	line("took", "%s in all processes", lasted(s.Elapsed))
	if r.Redrive > 0 {
		line("redrives", "%d", r.Redrive)
	}
	line("next", "%s", nextStep(r))
	_ = w.Flush() // printTop finds out that nobody reads
	printEdits(out, r)
}

// partlyRead reports whether an ended run has not read all of its source.
func partlyRead(r *results.Run) bool {
	return len(r.Unread.Splits) > 0 || r.Unread.After != nil || r.Unread.All
}

// gauge says how much of its tolerance a run has used.
func gauge(r *results.Run) string {
	fuel := watch.StoredFuel(r.Tolerance, r.Stats, r.Status != results.Open && !partlyRead(r))
	if fuel.Judge != "" {
		return fuel.Text + "; " + fuel.Judge
	}
	return fuel.Text
}

// shownEdits is how many edits show prints.
const shownEdits = 10

// printEdits prints the newest edits of a run, the newest last.
func printEdits(out io.Writer, r *results.Run) {
	if r.EditCount == 0 {
		return
	}
	newest := r.Edits[max(0, len(r.Edits)-shownEdits):]
	fmt.Fprintf(out, "\nsettings changed while the run ran: %s", number(r.EditCount))
	if left := r.EditCount - int64(len(newest)); left > 0 {
		fmt.Fprintf(out, ", of which the newest %d are", len(newest))
	}
	fmt.Fprintln(out)
	for _, e := range newest {
		fmt.Fprintf(out, "    %s  %s\n", moment(e.At), short(watch.EditMark(e).Text, 200))
	}
}

func firstBroken(r *results.Run) string {
	if len(r.Broken) == 0 {
		return "not known"
	}
	b := r.Broken[0]
	return fmt.Sprintf("%s at offset %d: %s", short(b.Key, 100), b.Offset, short(b.Error, 200))
}

// nextStep says what a person can do.
func nextStep(r *results.Run) string {
	switch {
	case r.Status == results.Open && r.Stats.Reason == "held":
		return "decide about the held items; then the same call continues the run"
	case r.Status == results.Open:
		return "if no process works on it, the same call with this run ID resumes it"
	case r.Status == results.Succeeded && r.Stats.Failed == 0:
		return "nothing: all items succeeded"
	case r.Status == results.Canceled:
		return "the same call with Options.Redrive{Max: 1, Canceled: true} continues it"
	case r.Status == results.Succeeded:
		return "the failures were tolerated; the same call with Options.Redrive{Max: 1, Tolerated: true} runs them again"
	}
	return "find the cause below; then the same call with Options.Redrive{Max: 1} runs the failed items again"
}
