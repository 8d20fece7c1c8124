package dmap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/journal"
)

// An item that crashes the process would crash each process that resumes the run. So a resumed run
// is careful at first: it announces items in the journal before their calls, a record for all
// workers that wait. Items that were announced and not settled when a process died may be to blame.
// If they were in flight in three crashes, or in one of a process that settled nothing, they are
// suspects: the run first does everything else, and then the suspects with no other item in flight,
// in few groups, which get smaller with each crash. Only an item that was alone in flight when its
// process died is quarantined.
const (
	carefulCommits = 3                      // a run is careful for at least this many commits,
	carefulTime    = 3 * time.Second        // and for at least this long
	carefulWindow  = 250 * time.Millisecond // commit windows are at most this long meanwhile
	carefulItems   = 8                      // chunks have at most this many items meanwhile

	suspectRounds = 64   // the suspects of equally many crashes run in about this many groups
	maxSuspects   = 4096 // suspects to hold back; with more, they run while the readers wait
	narrowing     = 3    // with each crash, batches of suspects are smaller by a factor of 2^narrowing
)

// PoisonError is what an item fails with that is quarantined: it was in flight in
// Options.PoisonAfter crashes of the process, and in all of them but one no other item was. It is
// not called again; a redrive with other code may call it. Only crashes of resumed processes count,
// because the first process announces nothing.
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

// quarantine announces items before their calls, and knows the suspects. nil does nothing.
type quarantine struct {
	log      recordLog
	after    int                        // Options.PoisonAfter
	suspects map[string][]journal.Trial // by split: in order, disjoint
	since    time.Time                  // when the process started
	over     atomic.Bool                // nothing is announced any more, but suspects

	mu        sync.Mutex      // guards the fields below
	waiting   []journal.Trial // announcements for the next record
	announced chan struct{}   // closed when waiting is in the journal, or never will be
	commits   int             // since the start
}

// newQuarantine returns the quarantine of a run that resumes. It is nil if no caution is needed:
// the process before stopped by itself, and there are no suspects.
func newQuarantine(trials []journal.Trial, clean bool, after int, log recordLog) *quarantine {
	q := &quarantine{
		log: log, after: after, since: time.Now(), announced: make(chan struct{}), suspects: map[string][]journal.Trial{},
	}
	for _, t := range trials {
		if t.Suspect {
			q.suspects[t.Item.Split] = append(q.suspects[t.Item.Split], t)
		}
	}
	if clean && len(q.suspects) == 0 || after < 0 {
		return nil
	}
	q.over.Store(clean)
	return q
}

// careful reports whether fresh items must be announced.
func (q *quarantine) careful() bool { return q != nil && !q.over.Load() }

// suspect returns the suspect that the item which settles v belongs to.
func (q *quarantine) suspect(v journal.Interval) (t journal.Trial, ok bool) {
	list := q.suspects[v.Split]
	i, _ := slices.BinarySearchFunc(list, v.To, func(o journal.Trial, next journal.Cursor) int {
		if o.Item.To != (journal.Cursor{}) && o.Item.To.Compare(next) < 0 {
			return -1
		}
		return 1
	})
	if i == len(list) || v.To.Compare(list[i].Item.From) <= 0 {
		return t, false
	}
	return list[i], true
}

// level is 0 for an item that runs with the others. Suspects have that of their crashes.
func (q *quarantine) level(v journal.Interval) int {
	t, ok := q.suspect(v)
	if !ok || q.poison(t) {
		return 0
	}
	return max(1, t.Crashes)
}

// poison reports whether an item is quarantined: an innocent one is in flight in many crashes if
// the process is killed from outside again and again, but hardly ever alone.
func (q *quarantine) poison(t journal.Trial) bool {
	return t.Crashes >= q.after && t.Alone >= max(1, q.after-1)
}

// verdict returns a PoisonError for an item that may not be called any more.
func (q *quarantine) verdict(v journal.Interval) error {
	if t, ok := q.suspect(v); ok && q.poison(t) {
		return &PoisonError{t.Crashes}
	}
	return nil
}

// limits bounds the size of a chunk or batch of items of a level.
func (q *quarantine) limits(level int, inBatches bool, l batch.Limits) batch.Limits {
	switch {
	case level > 0:
		if l.Items == 0 {
			l.Items = batch.MaxItems
		}
		l.Items = max(1, l.Items>>min(narrowing*level, 30))
	case q.careful() && !inBatches:
		l.Items = min(l.Items, carefulItems)
	}
	return l
}

// announce returns when the journal says that trials are about to be called. Announcements that
// wait at the same time share a record. An error says that the run stops.
// ctx ends the waiting, and writing ends the record: an interrupted record is the last one of the
// journal, and all that is settled but not committed would run again.
func (q *quarantine) announce(ctx, writing context.Context, trials []journal.Trial) error {
	q.mu.Lock()
	first := len(q.waiting) == 0
	q.waiting = append(q.waiting, trials...)
	announced := q.announced
	q.mu.Unlock()
	if first { // the first one writes for all that come before the journal is free
		q.write(writing)
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
		record.Trying, announced = q.waiting, q.announced
		q.waiting, q.announced = nil, make(chan struct{})
		return record
	})
}

// alone says in the journal that no item is in flight but those of trials.
func (q *quarantine) alone(ctx context.Context, trials []journal.Trial) {
	q.log.appendNext(ctx, func() journal.Commit { return journal.Commit{Alone: true, Trying: trials} })
}

// window bounds a commit window: a process that is killed after a few seconds must have committed.
func (q *quarantine) window(usual time.Duration) time.Duration {
	if q.careful() {
		return min(usual, carefulWindow)
	}
	return usual
}

// committed counts a commit. After a few the crash will not come again, unless from a suspect.
func (q *quarantine) committed() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.commits++; q.commits >= carefulCommits && time.Since(q.since) >= carefulTime {
		q.over.Store(true)
	}
}
