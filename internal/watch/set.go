package watch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Options tune a Set. The zero value is valid.
type Options struct {
	// Every is the time between two readings of a run. 0: one second.
	Every time.Duration
	// Redact returns the text in place of the key of an item. nil: that of the run, by its
	// Options.Redact.
	Redact func(key string) string
	// Total is the expected number of items of a run, while its source is still read. nil, or a
	// result of 0: not known.
	Total func(runID string) int64
	// Kept is how many runs that have ended stay in the Set. 0: 20.
	Kept int
}

// Set is the runs of this process that an Observer has seen. Its methods are safe for concurrent
// use.
type Set struct {
	opts Options

	mu   sync.Mutex
	runs []*Collector // the newest last
}

// NewSet returns an empty Set.
func NewSet(opts Options) *Set {
	if opts.Every <= 0 {
		opts.Every = time.Second
	}
	if opts.Kept <= 0 {
		opts.Kept = 20
	}
	return &Set{opts: opts}
}

// setKey finds the Collector of a run in the contexts of its events. Each Set has a key of its own.
type setKey struct{ set *Set }

// Observer returns the observer that adds each run for which it is set to s. It may be that of
// several runs at once, also of runs inside calls of others. It has no function for single calls,
// so that calls cost nothing.
func (s *Set) Observer() *dmap.Observer {
	of := func(ctx context.Context) *Collector {
		c, _ := ctx.Value(setKey{s}).(*Collector)
		return c
	}
	return &dmap.Observer{
		RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context {
			return context.WithValue(ctx, setKey{s}, s.begin(beginOf(e)))
		},
		RunEnded:       func(ctx context.Context, e dmap.RunEnd) { of(ctx).ended(e.Stats, e.Err) },
		PhaseChanged:   func(ctx context.Context, e dmap.PhaseEvent) { of(ctx).phaseChanged(e) },
		RetryScheduled: func(ctx context.Context, e dmap.RetryEvent) { of(ctx).retried(e) },
		Throttled:      func(ctx context.Context, e dmap.ThrottleEvent) { of(ctx).throttled(e) },
		FailureSettled: func(ctx context.Context, e dmap.FailureEvent) { of(ctx).failed(e) },
		Committed:      func(ctx context.Context, e dmap.CommitEvent) { of(ctx).committed(e) },
		Edited:         func(ctx context.Context, e dmap.EditEvent) { of(ctx).edited(e) },
	}
}

// Add watches a run whose Options have no Observer of s: its readings alone, without failures,
// commits and marks.
func (s *Set) Add(run dmap.LiveRun) *Collector {
	return s.begin(begin{run: run, spec: dmap.RunSpec{RunID: run.ID()}})
}

// begin adds a run. Its sampler ends with the run.
func (s *Set) begin(b begin) *Collector {
	s.mu.Lock()
	c := newCollector(s.freeKey(b.spec.RunID), b, s.opts)
	s.runs = append(s.runs, c)
	s.forget()
	s.mu.Unlock()
	go c.sample()
	return c
}

// freeKey is the RunID, unless a run of that ID lives. The Collector of one that has ended is
// replaced: the new one resumes or redrives it, or has other buckets.
func (s *Set) freeKey(runID string) string {
	key := runID
	for n := int64(2); ; n++ {
		i := slices.IndexFunc(s.runs, func(c *Collector) bool { return c.Key() == key })
		if i < 0 {
			return key
		}
		if !s.runs[i].Live() {
			s.runs = slices.Delete(s.runs, i, i+1)
			return key
		}
		key = runID + "~" + Count(n)
	}
}

// forget removes the oldest runs that have ended, beyond Options.Kept.
func (s *Set) forget() {
	ended := 0
	for _, c := range s.runs {
		if !c.Live() {
			ended++
		}
	}
	s.runs = slices.DeleteFunc(s.runs, func(c *Collector) bool {
		if ended <= s.opts.Kept || c.Live() {
			return false
		}
		ended--
		return true
	})
}

// Runs returns the runs, the newest first: all that live, and the latest that have ended.
func (s *Set) Runs() []*Collector {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.runs)
	slices.Reverse(out)
	return out
}

// Find returns the run with that key; nil: there is none.
func (s *Set) Find(key string) *Collector {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.runs {
		if c.Key() == key {
			return c
		}
	}
	return nil
}
