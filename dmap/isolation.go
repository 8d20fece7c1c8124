package dmap

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/go-dmap/dmap/internal/journal"
)

// isolation holds the chunks of suspects back until every other item is settled, and then runs them
// in groups: a crash blames the items of one group only. It holds back readers meanwhile.
type isolation[T, R any] struct {
	quarantine *quarantine
	inflight   *inflight[T, R]
	durable    *durable
	stopper    *stopper
	limit      int // calls at once

	mu      sync.Mutex // guards the fields below
	changed sync.Cond  // of mu
	held    []*chunk[T, R]
	items   int  // in held
	fresh   int  // open chunks of other items
	running int  // open chunks of the group that runs
	rounds  bool // groups run: no other chunk may open
}

func newIsolation[T, R any](d *durable, f *inflight[T, R], stopper *stopper, limit int) *isolation[T, R] {
	s := &isolation[T, R]{quarantine: d.quarantine, durable: d, inflight: f, stopper: stopper, limit: limit}
	s.changed.L = &s.mu
	context.AfterFunc(stopper.read.ctx, s.wake)
	return s
}

// stopping reports whether nothing more is called.
func (s *isolation[T, R]) stopping() bool {
	return s.stopper.stopping.Load() || s.stopper.read.ctx.Err() != nil
}

// open counts a chunk before it is enqueued. It waits while groups run, or returns false without
// wait.
func (s *isolation[T, R]) open(wait bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.rounds && !s.stopping() {
		if !wait {
			return false
		}
		s.changed.Wait()
	}
	s.fresh++
	return true
}

// moved counts a chunk of items that were moved out of c.
func (s *isolation[T, R]) moved(c *chunk[T, R]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.level > 0 {
		s.running++
	} else {
		s.fresh++
	}
}

// closed counts a chunk that is settled, or was not enqueued after all.
func (s *isolation[T, R]) closed(c *chunk[T, R]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.level > 0 {
		s.running--
	} else {
		s.fresh--
	}
	s.changed.Broadcast()
}

// wake has those who wait see that the run stops.
func (s *isolation[T, R]) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// hold keeps a chunk of suspects for later. If too many are held, the reader waits while they run.
func (s *isolation[T, R]) hold(c *chunk[T, R], wait bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.items >= maxSuspects && !s.stopping() {
		if !wait {
			return false
		}
		s.run()
	}
	s.held = append(s.held, c)
	s.items += len(c.items)
	return true
}

// drain runs all suspects once the source has been read.
func (s *isolation[T, R]) drain() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held) > 0 && !s.stopping() {
		s.run()
	}
}

// run runs the held chunks when no other item is open, or waits for a change. mu is held.
func (s *isolation[T, R]) run() {
	if s.rounds || s.fresh > 0 {
		s.changed.Wait()
		return
	}
	s.rounds = true
	held := s.held
	s.held, s.items = nil, 0
	s.mu.Unlock()
	s.durable.commit(s.stopper.sinks.ctx, nil) // the other items count, whatever comes
	s.mu.Lock()
	// The most suspicious first: they are alone at a time at which few processes are killed from
	// outside, at the start.
	slices.SortStableFunc(held, func(x, y *chunk[T, R]) int { return cmp.Compare(y.level, x.level) })
	for len(held) > 0 && !s.stopping() {
		same := 1
		for same < len(held) && held[same].level == held[0].level {
			same++
		}
		each := min((same+suspectRounds-1)/suspectRounds, s.limit)
		for group := range slices.Chunk(held[:same], each) {
			if !s.stopping() {
				s.runGroup(group)
			}
		}
		held = held[same:]
	}
	s.mu.Unlock()
	s.quarantine.alone(s.stopper.sinks.ctx, nil)
	s.mu.Lock()
	s.rounds = false
	s.changed.Broadcast()
}

// runGroup runs a few chunks until all are settled. mu is held, but not meanwhile.
func (s *isolation[T, R]) runGroup(group []*chunk[T, R]) {
	s.running = len(group)
	s.mu.Unlock()
	var trials []journal.Trial
	for _, c := range group {
		trials = append(trials, c.trials(0)...)
	}
	trials[0].Single = len(group) == 1 && len(group[0].items) == 1
	s.quarantine.alone(s.stopper.sinks.ctx, trials)
	for _, c := range group {
		if !s.stopping() {
			s.inflight.pass(c, true)
		}
	}
	s.mu.Lock()
	for s.running > 0 && !s.stopping() {
		s.changed.Wait()
	}
}
