// Package ownresults passes the places where a run writes its results from the engine to the
// source, which must not read them. Neither of the two knows the other.
package ownresults

import (
	"context"
	"slices"
	"sync"
)

// Folder is where a sink writes: the runs below Prefix in Bucket, each in a folder named by its run
// ID.
type Folder struct {
	Bucket any    // a pointer that identifies it
	Prefix string // of the folders of all runs; empty, or with a slash at its end
}

// Run are the folders of one run.
type Run struct {
	RunID   string
	Folders []Folder
	// LeftOut is called with the folder of each run that a listing leaves out, perhaps several
	// times. Safe for concurrent use.
	LeftOut func(folder string)
	// Known is for the sources: their findings about a bucket.
	Known sync.Map
}

// Teller is a sink that tells where it writes the results of a run. The engine calls it before the
// source is read.
type Teller interface{ ResultFolder() Folder }

type key struct{}

// With returns a context for the source of r.
func With(ctx context.Context, r *Run) context.Context { return context.WithValue(ctx, key{}, r) }

// Of returns the folders of the run that reads a source with ctx, nil if there are none.
func Of(ctx context.Context) *Run {
	r, _ := ctx.Value(key{}).(*Run)
	return r
}

// Collect returns the folders of the sinks that tell them.
func Collect[S any](sinks []S) []Folder {
	var all []Folder
	for _, s := range sinks {
		if t, ok := any(s).(Teller); ok {
			if f := t.ResultFolder(); !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}
