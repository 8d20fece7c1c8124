package dmaptest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// TestSink checks the contract of dmap.Sink by playing the engine's part: each result written is in
// the destination once the run has ended, once and unchanged, also if the writes were concurrent
// (of a dmap.ConcurrentSink) or the run failed with items pending (of a dmap.Recorder); a run
// without results ends well; a context that ends loses nothing silently.
//
// open returns a sink, anew for each check, and with a destination of its own. value makes the
// value of a result from its number. read returns what the destination of that sink holds, in any
// order: of each result Key and Offset, the Value of a success, the Err of a failure, whose text
// contains that of the one written. equal compares values, at most one; without it that is
// reflect.DeepEqual. Err and Value are never both given.
func TestSink[R any](
	t *testing.T,
	open func(tb testing.TB) dmap.Sink[R],
	value func(i int) R,
	read func(tb testing.TB, sink dmap.Sink[R]) []dmap.Result[R],
	equal ...func(a, b R) bool,
) {
	t.Helper()
	runAll(t, sinkChecks(open, value, read, compareBy(equal)))
}

// TestBrokenSink checks that a sink whose destination takes nothing says so, at the latest when the
// run ends. open returns such a sink, for example one over a FaultBucket; value is that of
// TestSink.
func TestBrokenSink[R any](t *testing.T, open func(tb testing.TB) dmap.Sink[R], value func(i int) R) {
	t.Helper()
	runAll(t, []check{brokenCheck(open, value)})
}

func brokenCheck[R any](open func(tb testing.TB) dmap.Sink[R], value func(i int) R) check {
	return check{"a broken destination is an error", func(tb testing.TB) {
		r := play[R]{sink: open(tb), writes: writes(value, 100)}
		if err := r.run(tb.Context()); err == nil {
			tb.Errorf("%d results were written to a broken destination without an error", 100)
		}
	}}
}

func sinkChecks[R any](
	open func(tb testing.TB) dmap.Sink[R],
	value func(i int) R,
	read func(tb testing.TB, sink dmap.Sink[R]) []dmap.Result[R],
	by comparison[R],
) []check {
	arrives := func(tb testing.TB, r play[R]) {
		tb.Helper()
		if err := r.run(tb.Context()); err != nil {
			tb.Fatalf("the run: %v", err)
		}
		by.results(tb, read(tb, r.sink), r.all())
	}
	loses := func(tb testing.TB, endBefore string) { // nothing, unless it says so
		ctx, end := endable(tb)
		r := play[R]{sink: open(tb), writes: writes(value, 100), before: func(step string) {
			if step == endBefore {
				end()
			}
		}}
		err := r.run(ctx)
		if e := ended(0, 0, err); e != "" {
			tb.Errorf("the context ended before %s: %s", endBefore, e)
		}
		if err == nil {
			by.results(tb, read(tb, r.sink), r.all())
		}
	}
	checks := []check{
		{"each result arrives once and unchanged", func(tb testing.TB) {
			arrives(tb, play[R]{sink: open(tb), writes: writes(value, 1000)})
		}},
		{"a run without results ends well", func(tb testing.TB) { arrives(tb, play[R]{sink: open(tb)}) }},
		{"writes may be concurrent if the sink says so", func(tb testing.TB) {
			sink := open(tb)
			_, concurrent := sink.(dmap.ConcurrentSink)
			arrives(tb, play[R]{sink: sink, writes: writes(value, 1000), concurrent: concurrent})
		}},
		{"a failed run keeps its results and nothing else", func(tb testing.TB) {
			arrives(tb, play[R]{sink: open(tb), writes: writes(value, 10), failed: errors.New("the run has failed")})
		}},
	}
	for _, step := range []string{"begin", "write", "flush", "end"} {
		checks = append(checks, check{"a context that ends before " + step + " loses nothing silently",
			func(tb testing.TB) { loses(tb, step) }})
	}
	return checks
}

// play is the engine's part in a run, as a sink sees it.
type play[R any] struct {
	sink       dmap.Sink[R]
	writes     [][]dmap.Result[R]
	concurrent bool
	failed     error             // what the run returns, apart from the sink's errors; then it leaves a pending item, too
	before     func(step string) // "begin", "write" (the first), "flush", "end"; may be nil
}

// run returns all errors of the sink. As in the engine no Write follows one that has failed, but
// Flush and End do.
func (p play[R]) run(ctx context.Context) error {
	if p.before == nil {
		p.before = func(string) {}
	}
	recorder, records := p.sink.(dmap.Recorder)
	p.before("begin")
	if records {
		if err := recorder.Begin(ctx, dmap.RunSpec{RunID: runID, Source: "dmaptest", Started: time.Now()}); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
	}
	p.before("write")
	err := p.write(ctx)
	p.before("flush")
	if e := p.sink.Flush(ctx); e != nil {
		err = errors.Join(err, fmt.Errorf("flush: %w", e))
	}
	p.before("end")
	if records {
		if e := recorder.End(ctx, p.ending(err)); e != nil {
			err = errors.Join(err, fmt.Errorf("end: %w", e))
		}
	}
	return err
}

func (p play[R]) write(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(p.writes))
	for i, results := range p.writes {
		if p.concurrent {
			wg.Go(func() { errs[i] = p.sink.Write(ctx, results) })
		} else if errs[i] = p.sink.Write(ctx, results); errs[i] != nil {
			break
		}
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// all returns the results of all writes.
func (p play[R]) all() []dmap.Result[R] {
	var all []dmap.Result[R]
	for _, results := range p.writes {
		all = append(all, results...)
	}
	return all
}

func (p play[R]) ending(sinkErr error) dmap.Ending {
	e := dmap.Ending{Stats: dmap.Stats{RunID: runID, Started: time.Now()}, Err: errors.Join(p.failed, sinkErr)}
	for _, r := range p.all() {
		if e.Stats.Read++; r.Err != nil {
			e.Stats.Failed++
		} else {
			e.Stats.Succeeded++
		}
	}
	if p.failed != nil {
		e.Stats.Read++
		e.Stats.Pending++
		e.Pending = []dmap.Pending{{Info: dmap.Info{RunID: runID, Split: "all", Key: "pending", Offset: 0}, Input: new(int)}}
	}
	return e
}

const runID = "conformance"

// awkward is the i-th of keys that a destination must not take for something else.
func awkward(i int) string {
	forms := []string{
		"data/%d.json", "new\nline-%d", `quote"-%d`, "<script>%d</script>", "../../%d", "été/日本/🙂-%d", "a,b;c\t%d",
		"%d/" + strings.Repeat("long-", 200),
	}
	return fmt.Sprintf(forms[i%len(forms)], i)
}

// writes makes n results in writes of one, two, three and so on.
func writes[R any](value func(i int) R, n int) [][]dmap.Result[R] {
	var all [][]dmap.Result[R]
	for i, size := 0, 1; i < n; size++ {
		var results []dmap.Result[R]
		for ; i < n && len(results) < size; i++ {
			input := i
			r := dmap.Result[R]{
				Info: dmap.Info{
					RunID: runID, Split: "all", Key: awkward(i), Offset: dmap.WholeObject, Index: int64(i), Attempt: 1,
				},
				Input:   &input,
				Elapsed: time.Duration(i) * time.Microsecond,
			}
			if i%3 == 0 {
				r.Offset = int64(i) // a record
			}
			if i%5 == 0 {
				r.Err = fmt.Errorf("item %d has failed", i)
			} else {
				r.Value = value(i)
			}
			results = append(results, r)
		}
		all = append(all, results)
	}
	return all
}

// results compares the results read from a destination with those written to it, in any order.
func (c comparison[R]) results(tb testing.TB, got, want []dmap.Result[R]) {
	tb.Helper()
	found := map[string]dmap.Result[R]{}
	for _, r := range got {
		if _, doubled := found[r.ID()]; doubled {
			tb.Errorf("the destination holds the result of %q twice", r.ID())
		}
		found[r.ID()] = r
	}
	for _, w := range want {
		g, ok := found[w.ID()]
		delete(found, w.ID())
		switch {
		case !ok:
			tb.Errorf("the result of %q is lost", w.ID())
		case (g.Err == nil) != (w.Err == nil) || w.Err != nil && !strings.Contains(g.Err.Error(), w.Err.Error()):
			tb.Errorf("the result of %q has Err %v, want %v", w.ID(), g.Err, w.Err)
		case w.Err == nil && !c.equal(g.Value, w.Value):
			tb.Errorf("the result of %q has Value %+v, want %+v", w.ID(), g.Value, w.Value)
		}
	}
	for id := range found {
		tb.Errorf("the destination holds a result of %q, which was not written", id)
	}
}
