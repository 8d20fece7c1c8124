package results

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// Limits of List.
const (
	DefaultListed = 100
	MaxListed     = 1000
)

// listReaders is how many runs List reads at once.
const listReaders = 8

// Summary is one run of a list: the run and its redrives.
type Summary struct {
	RunID   string
	Status  Status // empty if Err is set
	Error   string // of the run, as in Run
	Redrive int    // the newest redrive whose results count; 0: none
	Source  string
	Started time.Time
	Stopped time.Time // zero: the run is open
	Stats   dmap.Stats
	// Err says why the run could not be read: it is damaged, say, or of a newer version.
	Err error
}

// ListOptions select the runs of a list. The zero value is valid.
type ListOptions struct {
	// Before lists the runs whose IDs sort before this one: the next that List returned with the
	// page before. Empty: from the last run on.
	Before string
	// Limit is how many runs are returned at most, up to MaxListed. 0: DefaultListed.
	Limit int
}

// List returns the runs that sink.Bucket has written with this bucket and prefix, the last in the
// order of their IDs first: IDs that dmap makes, and those that begin with a date, are so listed
// from the newest run on. next is ListOptions.Before of the next page; empty: this is the last one.
//
// The names of all runs are listed, one request for about a thousand, then the chosen runs are read
// as by [Load], eight at once: three requests for an ended run. Folders that hold no run are left
// out, so a page may be short.
func List(ctx context.Context, bucket *blob.Bucket, prefix string, o ListOptions) (page []Summary, next string, err error) {
	if err := missing(ctx, bucket); err != nil {
		return nil, "", err
	}
	if err := runfolder.CheckPrefix(prefix); err != nil {
		return nil, "", fmt.Errorf("results: list: %w", err)
	}
	if o.Limit < 0 || o.Limit > MaxListed {
		return nil, "", fmt.Errorf("results: list: Limit %d: want 0 to %d", o.Limit, MaxListed)
	}
	if o.Limit == 0 {
		o.Limit = DefaultListed
	}
	names, more, err := runNames(ctx, bucket, prefix, o)
	if err != nil {
		return nil, "", fmt.Errorf("results: list: %w", err)
	}
	all := make([]*Summary, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listReaders)
	for i, name := range names {
		group.Go(func() error {
			all[i] = summary(ctx, bucket, prefix, name)
			return context.Cause(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, "", fmt.Errorf("results: list: %w", err)
	}
	for _, s := range all {
		if s != nil {
			page = append(page, *s)
		}
	}
	if more {
		next = names[len(names)-1]
	}
	return page, next, nil
}

// runNames are the last names of folders before o.Before, at most o.Limit, the last one first.
func runNames(ctx context.Context, bucket *blob.Bucket, prefix string, o ListOptions) (names []string, more bool, err error) {
	if prefix = strings.TrimSuffix(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	add := func(name string) {
		if name == "" || o.Before != "" && name >= o.Before {
			return
		}
		if _, err := runfolder.Folder("", name); err != nil {
			return
		}
		names = append(names, name)
	}
	for token := blob.FirstPageToken; len(token) > 0; {
		objects, next, err := publish.Folders(ctx, bucket, prefix, token)
		if err != nil {
			return nil, false, err
		}
		for _, key := range objects {
			add(strings.TrimSuffix(strings.TrimPrefix(key, prefix), "/"))
		}
		slices.Sort(names) // some stores list "a-b/" before "a/"
		if drop := len(names) - o.Limit; drop > 0 {
			names, more = slices.Delete(names, 0, drop), true
		}
		token = next
	}
	slices.Reverse(names)
	return names, more, nil
}

// summary reads one run; nil if there is none of that name.
func summary(ctx context.Context, bucket *blob.Bucket, prefix, runID string) *Summary {
	r, err := Load(ctx, bucket, prefix, runID)
	switch {
	case errors.Is(err, ErrNoRun):
		return nil
	case errors.Is(err, ErrNoManifest):
		return express(ctx, bucket, prefix, runID)
	case err != nil:
		return &Summary{RunID: runID, Err: err}
	}
	return &Summary{
		RunID: runID, Status: r.Status, Error: r.Error, Redrive: r.Redrive, Source: r.Source,
		Started: r.Started, Stopped: r.Stopped, Stats: r.Stats,
	}
}

// express is a run without a journal that has not ended.
func express(ctx context.Context, bucket *blob.Bucket, prefix, runID string) *Summary {
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return &Summary{RunID: runID, Err: err}
	}
	file, err := runfolder.LoadRunFile(ctx, bucket, folder, runID)
	switch {
	case err != nil:
		return &Summary{RunID: runID, Err: err}
	case file == nil:
		return nil
	}
	return &Summary{
		RunID: runID, Status: Open, Source: file.Source, Started: file.Started,
		Stats: convert.CommittedStats(file, nil),
	}
}
