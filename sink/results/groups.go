package results

import (
	"context"
	"fmt"
	"iter"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// OtherGroup is the ID of the group of the failures of all groups beyond the 200 that are kept.
const OtherGroup = failgroup.OtherID

// Group is the failures of a run of the same class and the same message.
type Group struct {
	ID    string `json:"id"` // of class and message, the same in every run; or OtherGroup
	Class string `json:"class,omitempty"`
	// Message is the text of the errors with a word such as <n> in place of what differs from item
	// to item: keys, ids, numbers, times, quoted values and addresses. At most 512 bytes.
	Message string `json:"message,omitempty"`
	Count   int64  `json:"count"` // failures; exact if Over is 0
	// Over is how many more failures of the group may be counted in OtherGroup, in a run with more
	// than 200 groups.
	Over    int64       `json:"over,omitempty"`
	First   time.Time   `json:"first,omitzero"` // when the first failure came, by the clock of the process; zero: unknown
	Last    time.Time   `json:"last,omitzero"`
	Samples []Sample    `json:"samples,omitempty"` // at most 3, the first ones
	Where   []KeyPrefix `json:"where,omitempty"`   // at most 16; the counts add up to Count
	Trend   Trend       `json:"trend,omitzero"`
}

// Sample is a failed item of a group.
type Sample struct {
	ID       string    `json:"id"` // of the item, at most 1 KiB
	Key      string    `json:"key"`
	Error    string    `json:"error"` // with the ID at most 2 KiB; Failure.Error has more
	Class    string    `json:"class,omitempty"`
	Attempts int       `json:"attempts"` // calls that were made; 0: the item was never called
	At       time.Time `json:"at,omitzero"`
}

// KeyPrefix is a key, or the prefix of keys up to a "/", or empty, with the number of failures
// under it that are under no longer prefix of the same list.
type KeyPrefix struct {
	Prefix string `json:"prefix"`
	Count  int64  `json:"count"`
}

// Trend counts failures in at most 60 consecutive intervals.
type Trend struct {
	Start  time.Time     `json:"start"` // of the first interval
	Width  time.Duration `json:"width"` // of each, ns; 0: the times are unknown
	Counts []int64       `json:"counts"`
}

// Gather says in at most n prefixes where the failures of the group lie: those under which more
// than 1/n of them are, and the prefix that the others share. The counts add up to g.Count.
func (g *Group) Gather(n int) []KeyPrefix {
	where := convert.Each(g.Where, func(w KeyPrefix) failgroup.Place { return failgroup.Place(w) })
	return convert.Each(failgroup.Gather(where, n), func(w failgroup.Place) KeyPrefix { return KeyPrefix(w) })
}

// Groups returns the failures of a run by group, the largest first and [OtherGroup] last. The
// counts add up to the failures of the run. After a redrive has begun they are those that it left,
// and those since.
//
// It costs one request for an ended run, and none for an open one, whose groups are in its commits.
// Where the run has no index of all its failures, because dmap could not write it, Groups reads all
// FAILED records.
func Groups(ctx context.Context, bucket *blob.Bucket, r *Run) ([]Group, error) {
	if err := r.missing(ctx, bucket); err != nil {
		return nil, err
	}
	x, err := index(ctx, bucket, r)
	if err != nil {
		return nil, fmt.Errorf("results: groups of run %q: %w", r.RunID, err)
	}
	return convert.Each(x.Groups(), groupOf), nil
}

func index(ctx context.Context, bucket *blob.Bucket, r *Run) (*failgroup.Index, error) {
	x := r.index
	if r.groups != nil {
		groups, err := runfolder.LoadGroups(ctx, bucket, *r.groups)
		if err != nil {
			return nil, err
		}
		x = runfolder.IndexOf(groups)
	}
	if x != nil && x.Total() == r.Stats.Failed {
		return x, nil
	}
	x = &failgroup.Index{}
	for f, err := range Failures(ctx, bucket, r) {
		if err != nil {
			return nil, err
		}
		x.Add(f.failure())
	}
	return x, nil
}

func groupOf(g failgroup.Group) Group {
	out := Group{
		ID: g.ID, Class: g.Class, Message: g.Message, Count: g.Count, Over: g.Over, First: g.First, Last: g.Last,
		Samples: convert.Each(g.Samples, func(s failgroup.Sample) Sample { return Sample(s) }),
		Where:   convert.Each(g.Where, func(w failgroup.Place) KeyPrefix { return KeyPrefix(w) }),
	}
	if g.Trend.Width > 0 {
		out.Trend = Trend{g.Trend.StartTime(), time.Duration(g.Trend.Width) * time.Second, g.Trend.Counts}
	}
	return out
}

func (f *Failure) failure() failgroup.Failure {
	return failgroup.Failure{Class: f.Class, Text: f.Error, Key: f.Key, ID: f.ID, Attempts: f.Attempts, At: f.At}
}

// Group is the ID of the group of f, also of a group that has no place in the index.
func (f *Failure) Group() string { return failgroup.IDOf(f.failure()) }

// FailuresOf yields the failures of the group with this ID, as [Failures] does. It reads the FAILED
// parts, and, for [OtherGroup], what Groups reads.
func FailuresOf(ctx context.Context, bucket *blob.Bucket, r *Run, group string) iter.Seq2[Failure, error] {
	if err := r.missing(ctx, bucket); err != nil {
		return failed[Failure](err)
	}
	return func(yield func(Failure, error) bool) {
		in := func(id string) bool { return id == group }
		if group == OtherGroup {
			x, err := index(ctx, bucket, r)
			if err != nil {
				yield(Failure{}, fmt.Errorf("results: groups of run %q: %w", r.RunID, err))
				return
			}
			placed := map[string]bool{}
			for _, g := range x.Groups() {
				placed[g.ID] = true
			}
			in = func(id string) bool { return !placed[id] }
		}
		for f, err := range Failures(ctx, bucket, r) {
			if err != nil {
				yield(f, err)
				return
			}
			if in(f.Group()) && !yield(f, nil) {
				return
			}
		}
	}
}
