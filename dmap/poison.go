package dmap

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// An item that takes the process down would do so again in every resume. So a resumed run is careful at first: it announces
// each item in the journal before it calls the function for it. What was announced and not settled when a process died was
// in flight; such an item is a suspect, and suspects run in small groups, then one by one, so that only the one that does
// it collects Options.PoisonAfter of them and is set aside.
const (
	carefulFor    = 3  // commits that must succeed before a run is no longer careful
	suspectRounds = 64 // suspects run in about so many groups
)

// PoisonError is what an item fails with that was in flight in Options.PoisonAfter process deaths. It is not called again; a
// redrive with other code may try. Only deaths of resumed processes are recorded: nothing is announced before a crash.
type PoisonError struct{ Deaths int }

func (e *PoisonError) Error() string {
	return fmt.Sprintf("set aside: the process died %d times while this item was in flight", e.Deaths)
}

// Class returns "poison".
func (e *PoisonError) Class() string { return "poison" }

// Trial is an item that was announced before its call. Deaths counts the processes that died while it was in flight.
type Trial struct {
	Item   Interval `json:"item"` // what settles it
	ID     string   `json:"id"`
	Deaths int      `json:"deaths,omitempty"`
	Live   bool     `json:"live,omitempty"` // announced by the process that wrote the last commit
}

// try adds what c says about trials to p; settled is the coverage with c.
func (p *Progress) try(c Commit, settled coverage) {
	if !c.Begins && !c.Clean && len(c.Trying) == 0 && len(c.Back) == 0 {
		return
	}
	var trials []Trial
	for _, t := range p.Trials {
		switch {
		case settled.has(t.Item):
			continue
		case t.Live && c.Begins:
			t.Deaths++
			t.Live = false
		case c.Clean:
			t.Live = false
		}
		trials = append(trials, t)
	}
	known := make(map[Interval]int, len(trials))
	for i, t := range trials {
		known[t.Item] = i
	}
	for _, t := range c.Trying {
		if i, ok := known[t.Item]; ok {
			trials[i].Live = true
		} else if !settled.has(t.Item) {
			trials = append(trials, t)
		}
	}
	for _, v := range c.Back {
		if i, ok := known[v]; ok {
			trials[i].Live = false
		}
	}
	p.Trials = trials
}

// has reports whether v is covered.
func (c coverage) has(v Interval) bool {
	return len(c.rest(Split{ID: v.Split, From: v.From, To: v.To})) == 0
}

// caution is how careful a run is. nil: not at all.
type caution[T, R any] struct {
	commits *commits[T, R]
	deaths  map[Interval]int // of suspects
	few     *semaphore.Weighted
	one     *semaphore.Weighted
	over    atomic.Bool // nothing is announced any more

	mu      sync.Mutex    // guards what follows
	waiting Commit        // of Trying and Back
	told    chan struct{} // closed when what waits now is in the journal, or will never be
	done    int           // commits since the start
}

// newCaution prepares a run that goes on from p. It is nil where there is no reason to be careful: the process before
// stopped in order, and nothing is under suspicion.
func newCaution[T, R any](c *commits[T, R], p Progress, clean bool) *caution[T, R] {
	if clean && len(p.Trials) == 0 || c.e.opts.PoisonAfter < 0 {
		return nil
	}
	k := &caution[T, R]{commits: c, deaths: make(map[Interval]int), told: make(chan struct{})}
	for _, t := range p.Trials {
		if t.Deaths > 0 {
			k.deaths[t.Item] = t.Deaths
		}
	}
	k.few, k.one = semaphore.NewWeighted(max(1, int64(len(k.deaths))/suspectRounds)), semaphore.NewWeighted(1)
	return k
}

// suspect returns in how many deaths item i of c was in flight.
func (k *caution[T, R]) suspect(c *chunk[T, R], i int) int {
	if k == nil || len(k.deaths) == 0 {
		return 0
	}
	return k.deaths[c.interval(i)]
}

// enter announces items of a chunk, or only the one, before their call, and waits for the turn of suspects. leave is to be
// called after it.
func (k *caution[T, R]) enter(ctx context.Context, c *chunk[T, R], items []int, only int) (leave func(), err error) {
	if items == nil {
		items = []int{only}
	}
	worst := 0
	for _, i := range items {
		worst = max(worst, k.suspect(c, i))
	}
	if worst == 0 && k.over.Load() {
		return nothing, nil
	}
	turn := k.few
	if worst > 1 {
		turn = k.one
	}
	leave = nothing
	if worst > 0 {
		if err := turn.Acquire(ctx, 1); err != nil {
			return nil, context.Cause(ctx)
		}
		leave = func() {
			defer turn.Release(1)
			_ = k.announce(ctx, nil, back(c, items)) // else the next one's death would be laid at its door
		}
	}
	if err := k.announce(ctx, trials(c, items), nil); err != nil {
		if worst > 0 {
			turn.Release(1)
		}
		return nil, err
	}
	return leave, nil
}

func trials[T, R any](c *chunk[T, R], items []int) []Trial {
	var out []Trial
	for _, i := range items {
		out = append(out, Trial{Item: c.interval(i), ID: c.items[i].ID(), Live: true})
	}
	return out
}

func back[T, R any](c *chunk[T, R], items []int) []Interval {
	var out []Interval
	for _, i := range items {
		out = append(out, c.interval(i))
	}
	return out
}

func nothing() {}

// announce returns when the journal holds which items are about to be called, or are back. Those who wait share a record.
func (k *caution[T, R]) announce(ctx context.Context, trying []Trial, back []Interval) error {
	k.mu.Lock()
	first := len(k.waiting.Trying)+len(k.waiting.Back) == 0
	k.waiting.Trying = append(k.waiting.Trying, trying...)
	k.waiting.Back = append(k.waiting.Back, back...)
	told := k.told
	k.mu.Unlock()
	if first { // whoever comes first writes for all that come before the journal is free
		k.tell(ctx)
	}
	select {
	case <-told:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tell appends a record of all that wait.
func (k *caution[T, R]) tell(ctx context.Context) {
	k.commits.writing.Lock()
	defer k.commits.writing.Unlock()
	k.mu.Lock()
	record, told := k.waiting, k.told
	k.waiting, k.told = Commit{}, make(chan struct{})
	k.mu.Unlock()
	defer close(told)
	k.commits.append(ctx, record)
}

// committed takes note of a commit: after a few the danger is over, unless it comes from a suspect.
func (k *caution[T, R]) committed() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.done++; k.done >= carefulFor {
		k.over.Store(true)
	}
}
