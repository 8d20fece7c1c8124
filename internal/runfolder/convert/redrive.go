package convert

import (
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Choice is the stored form of what a call says about redrives.
func Choice(o dmap.Redrive) runfolder.Choice {
	return runfolder.Choice{
		Max: o.Max, Canceled: o.Canceled, Tolerated: o.Tolerated, Classes: o.Classes, Glob: o.Glob, Limit: o.Limit,
		Match: o.Match != nil, Groups: o.Groups, Changed: o.Changed,
	}
}

// Match is Redrive.Match for FAILED records of a run, nil if there is none. It calls the function
// of the user on a goroutine of its own; a panic, a Goexit, or a call that does not return is an
// error.
func Match(o dmap.Redrive, runID string, redrive int) func(*runfolder.Record) (bool, error) {
	match := o.Match
	if match == nil {
		return nil
	}
	return func(r *runfolder.Record) (bool, error) {
		item := failedItem(runID, redrive, r)
		ok, err := guarded(func() bool { return match(item) })
		if err != nil {
			return false, fmt.Errorf("item %q: Redrive.Match: %w", item.ID(), err)
		}
		return ok, nil
	}
}

// guarded calls a function on a goroutine of its own.
func guarded(f func() bool) (bool, error) {
	type answer struct {
		ok  bool
		err error
	}
	a, how := guard.Call(func() (a answer) {
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("panic: %s", errtext.PanicText(p, maxText))
			}
		}()
		a.ok = f()
		return a
	})
	switch how {
	case "":
		return a.ok, a.err
	case guard.Exited:
		return false, dmap.ErrGoexit
	default:
		return false, errors.New(string(how))
	}
}

// maxText bounds the text of a panic, in bytes.
const maxText = 4 << 10

// failedItem is a FAILED record of a run for Redrive.Match.
func failedItem(runID string, redrive int, r *runfolder.Record) *dmap.ItemError {
	return &dmap.ItemError{
		Info: dmap.Info{
			RunID: runID, Redrive: redrive, Split: r.Split, Key: r.Key, Offset: r.Offset, Index: r.Index, Attempt: r.Attempts,
		},
		Err: &recordError{class: r.Class, text: r.Error},
	}
}

// recordError is the error of a record.
type recordError struct{ class, text string }

func (e *recordError) Error() string { return e.text }

// Class returns the class that the error was stored with.
func (e *recordError) Class() string { return e.class }
