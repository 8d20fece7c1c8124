package dmap_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// brokenSink fails at its n-th Write, or at Flush, Begin or End.
type brokenSink struct {
	keep[int]
	at string
	n  int
}

func (b *brokenSink) Write(ctx context.Context, r []dmap.Result[int]) error {
	if b.n--; b.at == "write" && b.n < 0 {
		return errBoom
	}
	return b.keep.Write(ctx, r)
}

func (b *brokenSink) fail(at string) error {
	if b.at == at {
		return errBoom
	}
	if b.at == "panic "+at {
		panic(errBoom)
	}
	return nil
}

func (b *brokenSink) Flush(ctx context.Context) error {
	return errors.Join(b.fail("flush"), b.keep.Flush(ctx))
}

func (b *brokenSink) Begin(ctx context.Context, x dmap.RunSpec) error {
	return errors.Join(b.fail("begin"), b.keep.Begin(ctx, x))
}

func (b *brokenSink) End(ctx context.Context, x dmap.Ending) error {
	return errors.Join(b.fail("end"), b.keep.End(ctx, x))
}

func TestABrokenSinkFailsTheRun(t *testing.T) {
	for at, n := range map[string]int{"write": 100_000, "flush": 5000, "end": 5000, "panic flush": 5000, "panic end": 5000} {
		t.Run(at, func(t *testing.T) {
			var whole keep[int]
			bad := &brokenSink{at: at, n: 3}
			stats, err := dmap.Map(t.Context(), numbers(n), double, dmap.Options{}, dmap.Sink[int](&whole), bad)
			var broken *dmap.SinkError
			require.ErrorAs(t, err, &broken)
			require.ErrorIs(t, err, errBoom)
			requireSum(t, stats)
			require.Len(t, whole.results, int(stats.Succeeded), "the other sink has everything")
			require.Len(t, whole.ended, 1)
			if at == "write" {
				require.Less(t, stats.Read, int64(n), "it stopped reading")
			}
		})
	}
}

func TestASinkThatCannotBeginKeepsTheRunFromStarting(t *testing.T) {
	for _, at := range []string{"begin", "panic begin"} {
		var first keep[int]
		_, err := dmap.Map(t.Context(), numbers(10), func(context.Context, int) (int, error) {
			t.Error("called")
			return 0, nil
		}, dmap.Options{}, dmap.Sink[int](&first), &brokenSink{at: at})
		require.ErrorIs(t, err, errBoom)
		require.Len(t, first.ended, 1, "a recorder that began gets End")
		require.ErrorIs(t, first.ended[0].Err, errBoom)
	}
}

// pickySink rejects odd values, and keeps them only as failures.
type pickySink struct{ keep[int] }

func (p *pickySink) Write(ctx context.Context, results []dmap.Result[int]) error {
	rejected := batch.Errors{}
	for i, r := range results {
		if r.Err == nil && r.Value%2 == 1 {
			rejected[i] = errBoom
			continue
		}
		if err := p.keep.Write(ctx, results[i:i+1]); err != nil {
			return err
		}
	}
	if len(rejected) == 0 {
		return nil
	}
	return rejected
}

func TestAResultThatASinkRejectsCountsAsFailedOnce(t *testing.T) {
	same := func(_ context.Context, i int) (int, error) { return i, nil }
	opts := dmap.Options{Tolerance: dmap.Tolerance{Count: 50}}
	var first, second pickySink
	stats, err := dmap.Map(t.Context(), numbers(100), same, opts, dmap.Sink[int](&first), &second)
	require.NoError(t, err)
	require.EqualValues(t, 50, stats.Succeeded)
	require.EqualValues(t, 50, stats.Failed)
	for _, kept := range []*keep[int]{&first.keep, &second.keep} {
		require.Len(t, kept.results, 100, "each item once")
		for _, r := range kept.results {
			require.Equal(t, r.Index%2 == 1, r.Err != nil)
			require.Equal(t, r.Err != nil, r.At != nil, "a failure has its position")
		}
	}
	opts.Tolerance.Count = 49
	_, err = dmap.Map(t.Context(), numbers(100), same, opts, dmap.Sink[int](&pickySink{}))
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorIs(t, err, errBoom)
}

// alwaysRejects rejects a result that it may not reject.
type alwaysRejects struct {
	keep[int]
	position int
}

func (a *alwaysRejects) Write(context.Context, []dmap.Result[int]) error {
	return batch.Errors{a.position: errBoom}
}

func TestASinkThatRejectsAFailureOrNothingEndsTheRun(t *testing.T) {
	for _, position := range []int{-1, 0, 1 << 20} { // no position of a result, a success and then a failure
		_, err := dmap.Map(t.Context(), numbers(10), double, dmap.Options{}, dmap.Sink[int](&alwaysRejects{position: position}))
		sinkErr, ok := errors.AsType[*dmap.SinkError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "write", sinkErr.Op)
	}
}

// exitSink ends the goroutine that writes to it, as a failed require in a test does.
type exitSink struct{ keep[int] }

func (*exitSink) Write(context.Context, []dmap.Result[int]) error { goexit(); return nil }

func TestGoexitInASinkEndsTheRun(t *testing.T) {
	stats, err := dmap.Map(t.Context(), numbers(1000), double, dmap.Options{}, dmap.Sink[int](&exitSink{}))
	require.ErrorIs(t, err, dmap.ErrGoexit)
	require.Zero(t, stats.InFlight)
	requireSum(t, stats)
}
