// Package redrive decides which ended runs are redriven and which of their failed items are taken,
// and sorts the taken items by split and position in little memory. It knows no bucket.
package redrive

import (
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/glob"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// End is how a run has ended.
type End struct {
	Status string // runfolder.StatusSucceeded and so on
	Failed int64  // items
	Done   bool   // no item is pending or unread
	Made   int    // redrives so far, without trials
}

// Wants reports whether c redrives a run that has ended so.
func Wants(c runfolder.Choice, e End) bool {
	if c.Limit == 0 && e.Made >= c.Max {
		return false
	}
	switch e.Status {
	case runfolder.StatusFailed:
		return true
	case runfolder.StatusCanceled:
		return c.Canceled
	default:
		return c.Tolerated && (e.Failed > 0 || !e.Done)
	}
}

// classRejected is the class of the error of an item that a person rejected.
const classRejected = "rejected"

// Chooser takes failed items one after the other.
type Chooser struct {
	choice runfolder.Choice
	glob   glob.Glob
	match  func(*runfolder.Record) (bool, error) // nil: every item
	taken  int64
}

// NewChooser returns a Chooser; match may be nil.
func NewChooser(c runfolder.Choice, match func(*runfolder.Record) (bool, error)) (*Chooser, error) {
	out := &Chooser{choice: c, match: match}
	if c.Glob == "" {
		return out, nil
	}
	var err error
	if out.glob, err = glob.Compile(c.Glob); err != nil {
		return nil, fmt.Errorf("redrive: %w", err)
	}
	return out, nil
}

// Full reports whether a trial has all its items.
func (c *Chooser) Full() bool { return c.choice.Limit > 0 && c.taken >= c.choice.Limit }

// TakesClass reports whether c takes failures of a class. One of an item that a person has rejected
// must be named.
func TakesClass(c runfolder.Choice, class string) bool {
	if len(c.Classes) == 0 {
		return class != classRejected
	}
	return slices.Contains(c.Classes, class)
}

// Takes reports whether r, a failed item, is taken.
func (c *Chooser) Takes(r *runfolder.Record) (bool, error) {
	switch {
	case c.Full(),
		!TakesClass(c.choice, r.Class),
		c.glob != nil && !c.glob.Match(r.Key),
		len(c.choice.Groups) > 0 && !slices.Contains(c.choice.Groups, failgroup.IDOf(runfolder.FailureOf(r))):
		return false, nil
	}
	if c.match != nil {
		if ok, err := c.match(r); !ok || err != nil {
			return false, err
		}
	}
	c.taken++
	return true, nil
}

// Differs reports whether the recorded choice of a redrive is another than that of a call. What
// only decides whether a redrive begins does not count.
func Differs(recorded, called runfolder.Choice) bool {
	return recorded.Glob != called.Glob || recorded.Limit != called.Limit || recorded.Match != called.Match || recorded.Changed != called.Changed ||
		!slices.Equal(recorded.Classes, called.Classes) || !slices.Equal(recorded.Groups, called.Groups)
}
