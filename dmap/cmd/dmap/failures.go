package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-dmap/dmap/sink/results"
)

const (
	topGroups = 3 // that show prints
	gathered  = 3 // prefixes of a group
)

func printFailures(ctx context.Context, c *call) error {
	if c.samples < 0 || c.samples > 3 {
		return badUsage("-samples %d: want 0 to 3", c.samples)
	}
	r, err := c.load(ctx)
	if err != nil {
		return err
	}
	groups, err := results.Groups(ctx, c.bucket, r)
	if err != nil {
		return err
	}
	if c.group != "" {
		if err := c.knowsGroup(groups, c.group); err != nil {
			return err
		}
		return c.printItems(ctx, r)
	}
	if c.json {
		out := json.NewEncoder(c.stdout)
		for _, g := range groups {
			if err := out.Encode(g); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintf(c.stdout, "run %s: %s\n", printable(r.RunID), c.summary(r, groups))
	for i := range groups {
		if err := c.printGroup(&groups[i], r, c.samples); err != nil {
			return err
		}
	}
	if len(groups) > 0 {
		fmt.Fprintf(c.stdout, "\nall items of a group: dmap failures -group %s %s %s\n", groups[0].ID, c.args(), printable(r.RunID))
	}
	return nil
}

// summary says how many items failed, in how many groups.
func (c *call) summary(r *results.Run, groups []results.Group) string {
	if len(groups) == 0 {
		return "no item has failed"
	}
	kinds := fmt.Sprintf("%d groups", len(groups))
	switch {
	case len(groups) == 1:
		kinds = "1 group"
	case groups[len(groups)-1].ID == results.OtherGroup:
		kinds = fmt.Sprintf("more than %d groups, the largest first", len(groups)-1)
	}
	return fmt.Sprintf("%s of %s failed (%s), in %s", number(r.Stats.Failed), items(r.Stats.Read), share(r.Stats.Failed, r.Stats.Read), kinds)
}

// printTop prints the largest groups, for show.
func (c *call) printTop(ctx context.Context, r *results.Run) error {
	if r.Stats.Failed == 0 {
		return nil
	}
	groups, err := results.Groups(ctx, c.bucket, r)
	if err != nil {
		return err
	}
	for i := range groups[:min(topGroups, len(groups))] {
		if err := c.printGroup(&groups[i], r, 1); err != nil {
			return err
		}
	}
	switch more := len(groups) - topGroups; {
	case more == 1:
		_, err = fmt.Fprintf(c.stdout, "\n1 more group: dmap failures %s %s\n", c.args(), printable(r.RunID))
	case more > 1:
		_, err = fmt.Fprintf(c.stdout, "\n%d more groups: dmap failures %s %s\n", more, c.args(), printable(r.RunID))
	}
	return err
}

// printGroup prints a group with samples.
func (c *call) printGroup(g *results.Group, r *results.Run, samples int) error {
	message := g.Class + ": " + short(g.Message, 300)
	switch {
	case g.ID == results.OtherGroup:
		message = "failures of all other groups"
	case g.Message == "":
		message = g.Class + " (the error has no text)"
	}
	more := ""
	if g.Over > 0 && g.ID != results.OtherGroup {
		more = fmt.Sprintf(", perhaps %s more in %s", number(g.Over), results.OtherGroup)
	}
	fmt.Fprintf(c.stdout, "\n%s  %s failed (%s of the failures%s)\n    %s\n", g.ID, items(g.Count), share(g.Count, r.Stats.Failed), more, message)
	if !g.First.IsZero() {
		fmt.Fprintf(c.stdout, "    from %s to %s\n", moment(g.First), moment(g.Last))
	}
	var where []string
	for _, w := range g.Gather(gathered) {
		prefix := short(w.Prefix, 80)
		if prefix == "" {
			prefix = "anywhere"
		}
		where = append(where, fmt.Sprintf("%s (%s)", prefix, number(w.Count)))
	}
	_, err := fmt.Fprintf(c.stdout, "    under %s\n", strings.Join(where, ", "))
	for _, s := range g.Samples[:min(samples, len(g.Samples))] {
		_, err = fmt.Fprintf(c.stdout, "    such as %s, %s: %s\n", short(s.ID, 120), times(s.Attempts), short(s.Error, 300))
	}
	return err
}

// knowsGroup refuses an ID that is not in the index, unless the index has no place for all groups.
func (c *call) knowsGroup(groups []results.Group, id string) error {
	known := len(groups) > 0 && groups[len(groups)-1].ID == results.OtherGroup
	for _, g := range groups {
		known = known || g.ID == id
	}
	if known {
		return nil
	}
	return badUsage("-group %q: the run has no such group; dmap failures without -group lists them", id)
}

// printItems prints all failed items of a group.
func (c *call) printItems(ctx context.Context, r *results.Run) error {
	buffered := bufio.NewWriter(c.stdout)
	out := json.NewEncoder(buffered)
	for f, err := range results.FailuresOf(ctx, c.bucket, r, c.group) {
		switch {
		case err != nil:
		case c.json:
			err = out.Encode(lineOf(r, &f, false))
		default:
			_, err = fmt.Fprintf(buffered, "%s, %s: %s\n", printable(f.ID), times(f.Attempts), printable(f.Error))
		}
		if err != nil {
			return errors.Join(err, buffered.Flush())
		}
	}
	return buffered.Flush()
}
