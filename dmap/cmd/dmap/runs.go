package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
)

// runLine is a run as JSON.
type runLine struct {
	RunID   string         `json:"runId"`
	Status  results.Status `json:"status,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Error   string         `json:"error,omitempty"`
	Redrive int            `json:"redrive,omitempty"`
	Source  string         `json:"source,omitempty"`
	Started time.Time      `json:"started,omitzero"`
	Stopped time.Time      `json:"stopped,omitzero"`
	Stats   *dmap.Stats    `json:"stats,omitempty"`
	// Of show.
	Tolerance *dmap.Tolerance `json:"tolerance,omitempty"`
	Edits     []dmap.Edit     `json:"edits,omitempty"`
	EditCount int64           `json:"editCount,omitempty"`
	// Unreadable says why the run could not be read.
	Unreadable string `json:"unreadable,omitempty"`
}

func listRuns(ctx context.Context, c *call) error {
	if c.limit < 1 || c.limit > results.MaxListed {
		return badUsage("-n %d: want 1 to %d", c.limit, results.MaxListed)
	}
	page, next, err := results.List(ctx, c.bucket, c.prefix, results.ListOptions{Limit: c.limit, Before: c.before})
	if err != nil {
		return err
	}
	if c.json {
		return c.printLines(page)
	}
	if len(page) == 0 && c.before == "" && next == "" {
		return c.nothingThere(ctx)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTATE\tITEMS\tFAILED\tPENDING\tSTARTED\tTOOK")
	for _, s := range page {
		id := printable(s.RunID)
		if s.Redrive > 0 {
			id += fmt.Sprintf(" (redrive %d)", s.Redrive)
		}
		if s.Err != nil {
			fmt.Fprintf(w, "%s\tunreadable: %s\n", id, short(s.Err.Error(), 100))
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", id, state(s.Status, s.Stats.Reason),
			number(s.Stats.Read), number(s.Stats.Failed), number(s.Stats.Pending), moment(s.Started), lasted(s.Stats.Elapsed))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if next != "" {
		fmt.Fprintf(c.stdout, "earlier runs: dmap runs -before %s %s\n", printable(next), c.args())
	}
	return nil
}

// state is a status in words.
func state(s results.Status, reason string) string {
	word := map[results.Status]string{
		results.Open: "open", results.Succeeded: "succeeded", results.Failed: "failed", results.Canceled: "canceled",
	}[s]
	if word == "" { // of another program
		word = short(string(s), 40)
	}
	switch {
	case s == results.Open && reason == "":
		return "open: it works, or was killed"
	case reason == "" || reason == word:
		return word
	}
	return word + ": " + printable(reason)
}

func (c *call) printLines(page []results.Summary) error {
	out := json.NewEncoder(c.stdout)
	for _, s := range page {
		line := runLine{RunID: s.RunID}
		if s.Err != nil {
			line.Unreadable = s.Err.Error()
		} else {
			line = runLine{
				RunID: s.RunID, Status: s.Status, Reason: s.Stats.Reason, Error: s.Error, Redrive: s.Redrive, Source: s.Source,
				Started: s.Started, Stopped: s.Stopped, Stats: &s.Stats,
			}
		}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
