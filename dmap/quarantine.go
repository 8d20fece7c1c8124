package dmap

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/go-dmap/dmap/internal/journal"
)

// An item that crashes the process would crash each process that resumes the run. So a resumed run
// is careful at first: it announces each item in the journal before its call. Items that were
// announced but not settled when the process died were in flight: they are suspects. Suspects are
// retried in small groups, then one at a time, so that only the item that really crashes the
// process reaches Options.PoisonAfter and is quarantined.
const (
	carefulCommits = 3  // after this many commits a run announces suspects only
	suspectRounds  = 64 // suspects run in about this many groups
)

// PoisonError is what an item fails with that is quarantined: it was in flight in
// Options.PoisonAfter crashes of the process. It is not called again; a redrive with other code may
// call it. Only crashes of resumed processes count, because the first process announces nothing.
type PoisonError struct{ Crashes int }

func (e *PoisonError) Error() string {
	return fmt.Sprintf("quarantined: the process died %d times while this item was in flight", e.Crashes)
}

// Class returns "poison".
func (e *PoisonError) Class() string { return "poison" }

// recordLog is where a quarantine announces items.
type recordLog interface {
	appendNext(ctx context.Context, build func() journal.Commit)
}

// quarantine announces items before their calls, and keeps suspects apart. nil does nothing.
type quarantine struct {
	log     recordLog
	after   int                      // Options.PoisonAfter
	crashes map[journal.Interval]int // of suspects
	few     *semaphore.Weighted      // suspects of one crash
	one     *semaphore.Weighted      // suspects of more
	over    atomic.Bool              // only suspects are announced

	mu        sync.Mutex     // guards the fields below
	waiting   journal.Commit // announcements for the next record: its Trying and Back
	announced chan struct{}  // closed when waiting is in the journal, or never will be
	commits   int            // since the start
}

// newQuarantine returns the quarantine of a run that resumes. It is nil if no caution is needed:
// the process before stopped by itself, and there are no suspects.
func newQuarantine(trials []journal.Trial, clean bool, after int, log recordLog) *quarantine {
	if clean && len(trials) == 0 || after < 0 {
		return nil
	}
	q := &quarantine{log: log, after: after, crashes: make(map[journal.Interval]int), announced: make(chan struct{})}
	for _, t := range trials {
		if t.Crashes > 0 {
			q.crashes[t.Item] = t.Crashes
		}
	}
	q.few = semaphore.NewWeighted(max(1, int64(len(q.crashes))/suspectRounds))
	q.one = semaphore.NewWeighted(1)
	return q
}

// needed reports whether a call must be announced: the run is still careful, or there are suspects.
func (q *quarantine) needed() bool { return q != nil && (len(q.crashes) > 0 || !q.over.Load()) }

// suspected returns the number of crashes in which the item that settles v was in flight.
func (q *quarantine) suspected(v journal.Interval) int {
	if q == nil || len(q.crashes) == 0 {
		return 0
	}
	return q.crashes[v]
}

// verdict returns a PoisonError for an item that may not be called any more.
func (q *quarantine) verdict(v journal.Interval) error {
	if n := q.suspected(v); n > 0 && n >= q.after {
		return &PoisonError{n}
	}
	return nil
}

// enter announces items before their call, and waits until suspects among them may run. The caller
// calls leave after the call.
func (q *quarantine) enter(ctx context.Context, items []journal.Trial) (leave func(), err error) {
	worst := 0
	for _, t := range items {
		worst = max(worst, q.suspected(t.Item))
	}
	if worst == 0 {
		if q.over.Load() {
			return nothing, nil
		}
		return nothing, q.announce(ctx, items, nil)
	}
	turn := q.few
	if worst > 1 {
		turn = q.one
	}
	if err := turn.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := q.announce(ctx, items, nil); err != nil {
		turn.Release(1)
		return nil, err
	}
	return func() {
		defer turn.Release(1)
		back := make([]journal.Interval, len(items))
		for i, t := range items {
			back[i] = t.Item
		}
		_ = q.announce(ctx, nil, back) // otherwise a later crash would be blamed on these items
	}, nil
}

func nothing() {}

// announce returns when the journal says which items are about to be called, or have returned.
// Announcements that wait at the same time share a record.
func (q *quarantine) announce(ctx context.Context, trying []journal.Trial, back []journal.Interval) error {
	q.mu.Lock()
	first := len(q.waiting.Trying)+len(q.waiting.Back) == 0
	q.waiting.Trying = append(q.waiting.Trying, trying...)
	q.waiting.Back = append(q.waiting.Back, back...)
	announced := q.announced
	q.mu.Unlock()
	if first { // the first one writes for all that come before the journal is free
		q.write(ctx)
	}
	select {
	case <-announced:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write appends a record of all announcements that wait.
func (q *quarantine) write(ctx context.Context) {
	var announced chan struct{}
	defer func() { close(announced) }()
	q.log.appendNext(ctx, func() (record journal.Commit) {
		q.mu.Lock()
		defer q.mu.Unlock()
		record, announced = q.waiting, q.announced
		q.waiting, q.announced = journal.Commit{}, make(chan struct{})
		return record
	})
}

// committed counts a commit. After a few the crash will not come again, unless from a suspect.
func (q *quarantine) committed() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.commits++; q.commits >= carefulCommits {
		q.over.Store(true)
	}
}
