package dmap_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// fate is what happens to an item whenever it is called: it depends on the attempt alone, so that a
// sequential model knows it.
type fate int

const (
	succeeds fate = iota // and fate(n) for n > 0: after n failed attempts
	broken   fate = -iota
	panics
	exits
	skipsItself
	unreadable
	hidden // by the source
)

// asks is the fate of an item that fails once and asks for a wait longer than other calls and
// waits.
const asks fate = 6

// plan is a run, its items and what befalls it.
type plan struct {
	fates   []fate
	each    int  // items of a split; 0: a source without splits
	fills   bool // the Plan has a Fill
	batch   int  // items of a batch; 0: Map
	opts    dmap.Options
	durable bool
	acts    []act // one for each process; the processes after them are left alone
}

// act is something that is done at the at-th call of a process.
type act struct {
	at   int
	what string
	arg  int
}

func drawPlan(t *rapid.T) (p plan) {
	n := rapid.SampledFrom([]int{0, 1, 3, 20, 40, 60}).Draw(t, "items")
	p.fates = rapid.SliceOfN(rapid.Map(rapid.IntRange(-20, 30), func(i int) fate {
		switch {
		case i > int(asks) || i < int(hidden)-1:
			return succeeds // most do
		case i == int(hidden)-1:
			return hidden
		}
		return fate(i)
	}), n, n).Draw(t, "fates")
	p.each = rapid.IntRange(0, 20).Draw(t, "each")
	p.fills = !slices.Contains(p.fates, hidden) && rapid.Bool().Draw(t, "fills")
	p.batch = rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "batch")
	p.opts = dmap.Options{
		PoisonAfter: -1, // the crashes here come from outside
		RunID:       "r", MaxConcurrency: rapid.IntRange(1, 8).Draw(t, "concurrency"),
		MaxItems: rapid.SampledFrom([]int64{0, 0, 0, 1, 7, 25}).Draw(t, "max items"),
		Retry:    dmap.Retry{MaxAttempts: rapid.IntRange(1, 4).Draw(t, "attempts"), Initial: millisecond, Max: 5 * millisecond},
		Tolerance: rapid.SampledFrom([]dmap.Tolerance{
			{Percentage: 100}, {Percentage: 100}, {Percentage: 100}, {Percentage: 100}, {}, {Count: 3}, {Percentage: 20}, {Count: 5, Percentage: 30},
		}).Draw(t, "tolerance"),
		CommitEvery: millisecond,
	}
	p.durable = rapid.SampledFrom([]bool{true, true, false}).Draw(t, "durable")
	whats := []string{"limit", "pause", "cancel", "tolerate", "suspend", "suspend", "budget"}
	if p.durable {
		whats = append(whats, "append fails", "append is lost", "commit fails", "write fails", "suspend")
	}
	processes := rapid.SampledFrom([]int{0, 1, 2, 4}).Draw(t, "processes")
	p.acts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		return act{rapid.IntRange(1, 20).Draw(t, "at"), rapid.SampledFrom(whats).Draw(t, "what"), rapid.IntRange(1, 10).Draw(t, "arg")}
	}), processes, processes).Draw(t, "acts")
	return p
}

// outcome is how an item ends.
type outcome struct {
	Offset  int64
	Failed  bool
	Attempt int
}

// expected is the sequential model: one item after the other, no clock, no goroutine.
type expected struct {
	outcomes      map[int64]outcome
	counts        journal.Counts
	pastTolerance bool
}

func (p plan) model() expected {
	e := expected{outcomes: map[int64]outcome{}}
	var taken int64
	for i, f := range p.fates {
		if p.opts.MaxItems > 0 && taken == p.opts.MaxItems {
			break
		}
		e.counts.Read++
		if f != hidden {
			taken++
		}
		if f == asks {
			f = 1
		}
		o := outcome{Offset: int64(i), Attempt: 1}
		switch {
		case f == hidden || f == skipsItself:
			e.counts.Skipped++
			continue
		case f == unreadable:
			o.Failed, o.Attempt = true, 0
		case f == broken:
			o.Failed, o.Attempt = true, p.opts.Retry.MaxAttempts
		case f == panics || f == exits:
			o.Failed = true
			if p.batch > 0 { // there they are errors of their items, as a panic would cost the whole batch
				o.Attempt = p.opts.Retry.MaxAttempts
			}
		case int(f) >= p.opts.Retry.MaxAttempts:
			o.Failed, o.Attempt = true, p.opts.Retry.MaxAttempts
		default:
			o.Attempt = 1 + int(f)
		}
		e.outcomes[o.Offset] = o
		if o.Failed {
			e.counts.Failed++
		} else {
			e.counts.Succeeded++
		}
	}
	e.pastTolerance = exceeds(p.opts.Tolerance, e.counts.Failed, e.counts.Failed+e.counts.Succeeded)
	return e
}

func exceeds(t dmap.Tolerance, failed, of int64) bool {
	if t == (dmap.Tolerance{}) {
		return failed > 0
	}
	return t.Count > 0 && failed > t.Count || t.Percentage > 0 && float64(failed)*100 > t.Percentage*float64(of)
}

// fated is the source of a plan.
type fated struct {
	pieces
	fates []fate
}

func (f fated) Plan() dmap.Plan[int] { return planOf(f) }

func (f fated) Read(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for item, err := range f.pieces.Read(ctx, split) {
			switch f.fates[item.Value] {
			case hidden:
				item.Err = dmap.ErrSkip
			case unreadable:
				item.Err = errBoom
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func (f fated) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return f.Read(ctx, dmap.Split{To: dmap.Cursor{Offset: int64(f.n)}})
}

func (p plan) source() dmap.Source[int] {
	f := fated{pieces{len(p.fates), p.each}, p.fates}
	if p.each == 0 {
		return items(func(ctx context.Context, yield func(dmap.Item[int], error) bool) { f.Items(ctx)(yield) })
	}
	if p.fills {
		return filler{f}
	}
	return f
}

// call does what the fate of an item says for an attempt.
func (p plan) call(item, attempt int) error {
	switch f := p.fates[item]; {
	case f == skipsItself:
		return dmap.ErrSkip
	case f == panics && p.batch == 0:
		panic("so it is fated")
	case f == exits && p.batch == 0:
		runtime.Goexit()
	case f == asks && attempt == 1:
		return dmap.RetryAfter(errBoom, 30*millisecond)
	case f == asks:
		return nil
	case f < 0 || attempt <= int(f):
		return errBoom
	}
	return nil
}

// ledger is a Committer that keeps outcomes.
type ledger struct {
	mu              sync.Mutex
	written, before []outcome
	onCommit        func() error
	onWrite         func() error
}

func (*ledger) ConcurrentWrites() {}

func (l *ledger) Write(_ context.Context, results []dmap.Result[int]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.onWrite != nil {
		if err := l.onWrite(); err != nil {
			return err
		}
	}
	for _, r := range results {
		l.written = append(l.written, outcome{r.Offset, r.Err != nil, r.Attempt})
	}
	return nil
}

func (l *ledger) Flush(context.Context) error { return nil }

func (l *ledger) Barrier() { l.before, l.written = append(l.before, l.written...), nil }

func (l *ledger) Commit(context.Context) (json.RawMessage, error) {
	if l.onCommit != nil {
		if err := l.onCommit(); err != nil {
			return nil, err
		}
	}
	state, err := json.Marshal(l.before)
	l.before = nil
	return state, err
}

func (l *ledger) Restore(context.Context, []json.RawMessage) error { return nil }

// outcomes are those that commits name.
func (d *diary) outcomes() (out []outcome, err error) {
	for _, c := range d.commits {
		if len(c.States) == 0 { // of a process that begins, or stops in order
			continue
		}
		var some []outcome
		if err := json.Unmarshal(c.States["0"], &some); err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// Whatever befalls a run, it ends as the sequential model says, and what it has counted is what the
// model counts.
func TestRunsMatchTheModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks != nil && checks.Value.String() == checks.DefValue {
		require.NoError(t, checks.Value.Set("2000"))
		defer func() { require.NoError(t, checks.Value.Set(checks.DefValue)) }()
	}
	ends := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		var end string
		var err error
		synctest.Test(t, func(t *testing.T) { end, err = play(t.Context(), p) })
		ends[end]++
		if err != nil {
			rt.Fatalf("%v\n%+v\n%+v", err, p, p.model())
		}
	})
	t.Logf("ends: %v", ends)
	for _, end := range []string{"succeeded", "tolerance", "cancelled", "suspended", "resumed"} {
		require.Positive(t, ends[end], "no run ended as %s", end)
	}
}

var errWhy = errors.New("somebody had a reason")

// sumOf checks the sum that every Stats keeps.
func sumOf(s dmap.Stats) error {
	if s.Read != s.Succeeded+s.Failed+s.Skipped+s.Pending {
		return fmt.Errorf("the counts do not add up: %+v", s)
	}
	return nil
}
