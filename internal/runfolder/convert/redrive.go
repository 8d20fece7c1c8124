package convert

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Choice is the stored form of what a call says about redrives.
func Choice(o dmap.Redrive) runfolder.Choice {
	return runfolder.Choice{
		Max: o.Max, Canceled: o.Canceled, Tolerated: o.Tolerated, Classes: o.Classes, Glob: o.Glob, Limit: o.Limit,
		Match: o.Match != nil, Groups: o.Groups,
	}
}

// FailedItem is a FAILED record of a run for Redrive.Match.
func FailedItem(runID string, redrive int, r *runfolder.Record) *dmap.ItemError {
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
