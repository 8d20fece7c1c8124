package dmap_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// trying is a sink whose Preflight is try.
type trying struct {
	dmap.Sink[int]
	try func(ctx context.Context, spec dmap.RunSpec, report func(dmap.Check))
}

func (s trying) Preflight(ctx context.Context, spec dmap.RunSpec, report func(dmap.Check)) {
	s.try(ctx, spec, report)
}

type untriedSink struct{}

func (untriedSink) Write(context.Context, []dmap.Result[int]) error {
	panic("a preflight writes no results")
}
func (untriedSink) Flush(context.Context) error { panic("a preflight flushes nothing") }

func uncalled(context.Context, int) (int, error) { panic("a preflight calls no function") }

func TestAPreflightOfAUsersSourceReadsTheFirstItem(t *testing.T) {
	report, err := dmap.Preflight(t.Context(), numbers(3), uncalled, dmap.Options{}, untriedSink{})
	require.NoError(t, err)
	require.Contains(t, report.String(), "ok         source: read the first item: it has items")
	require.Contains(t, report.String(), "not tried  sink 0: write: dmap_test.untriedSink has no method Preflight")
	require.NotEmpty(t, report.RunID)

	report, err = dmap.Preflight(t.Context(), numbers(0), uncalled, dmap.Options{})
	require.NoError(t, err)
	require.Contains(t, report.String(), "it has no items")
}

// itemsOf is a source with these items.
type itemsOf func(yield func(dmap.Item[int], error) bool)

func (s itemsOf) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return iter.Seq2[dmap.Item[int], error](s)
}

func TestAPreflightSurvivesAllThatSourcesAndSinksDo(t *testing.T) {
	exits := func(context.Context, dmap.RunSpec, func(dmap.Check)) { runtime.Goexit() }
	for name, test := range map[string]struct {
		src  dmap.Source[int]
		sink func(context.Context, dmap.RunSpec, func(dmap.Check))
		want string
		is   error
	}{
		"an error": {src: itemsOf(func(yield func(dmap.Item[int], error) bool) {
			yield(dmap.Item[int]{}, errBoom)
		}), want: "source: read the first item: boom", is: errBoom},
		"a bad item": {src: itemsOf(func(yield func(dmap.Item[int], error) bool) {
			yield(dmap.Item[int]{Key: "k", Err: errBoom}, nil)
		}), want: `item "k@0": read: boom`, is: errBoom},
		"a source that panics": {src: itemsOf(func(func(dmap.Item[int], error) bool) { panic("oh") }), want: "oh"},
		"a source that exits":  {src: itemsOf(func(func(dmap.Item[int], error) bool) { runtime.Goexit() }), is: dmap.ErrGoexit},
		"a sink that panics": {sink: func(context.Context, dmap.RunSpec, func(dmap.Check)) {
			panic("oh")
		}, want: "sink 0: preflight: ", is: nil},
		"a sink that exits": {sink: exits, is: dmap.ErrGoexit},
		"a sink with an error that panics": {sink: func(_ context.Context, _ dmap.RunSpec, report func(dmap.Check)) {
			report(dmap.Check{Op: "look", Err: wordless{}})
		}, want: "sink 0: look: "},
	} {
		t.Run(name, func(t *testing.T) {
			src, try := test.src, test.sink
			if src == nil {
				src = numbers(1)
			}
			if try == nil {
				try = func(context.Context, dmap.RunSpec, func(dmap.Check)) {}
			}
			_, err := dmap.Preflight(t.Context(), src, uncalled, dmap.Options{}, trying{try: try})
			require.ErrorContains(t, err, test.want)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.Equal(t, 1, strings.Count(err.Error(), "preflight: "+map[bool]string{true: "source", false: "sink 0"}[test.src != nil]))
		})
	}
}

type wordless struct{}

func (wordless) Error() string { panic("no text") }

func TestAPreflightAbandonsWhatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := trying{try: func(_ context.Context, _ dmap.RunSpec, report func(dmap.Check)) {
			report(dmap.Check{Op: "first"})
			<-release
			report(dmap.Check{Op: "late"})
		}}
		began := time.Now()
		report, err := dmap.Preflight(t.Context(), numbers(1), uncalled, dmap.Options{}, stuck)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.ErrorIs(t, err, dmap.ErrStuck)
		require.Contains(t, report.String(), "sink 0: first", "tries that ended are reported")
		close(release)
		synctest.Wait()
		require.NotContains(t, report.String(), "late")

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		waits := trying{try: func(ctx context.Context, _ dmap.RunSpec, report func(dmap.Check)) {
			<-ctx.Done()
			report(dmap.Check{Op: "wait", Err: context.Cause(ctx)})
		}}
		began = time.Now()
		_, err = dmap.Preflight(ctx, numbers(1), uncalled, dmap.Options{}, waits)
		require.Equal(t, 42*time.Second, time.Since(began), "the deadline of the caller gives the time")
		require.ErrorContains(t, err, "no answer within 42s")

		for _, years := range []int{60, 250} {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().AddDate(years, 0, 0))
			defer cancel()
			_, err = dmap.Preflight(ctx, numbers(1), uncalled, dmap.Options{}, trying{try: func(ctx context.Context, _ dmap.RunSpec, report func(dmap.Check)) {
				report(dmap.Check{Op: "look", Err: ctx.Err()})
			}})
			require.NoError(t, err, "a late deadline gives much time")
		}

		over, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = dmap.Preflight(over, numbers(1), uncalled, dmap.Options{}, waits)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestAPreflightChecksAllArgumentsAtOnce(t *testing.T) {
	opts := dmap.Options{
		RunID: "no spaces", MaxConcurrency: -1, MaxItems: -1, Timeout: -1, Retry: dmap.Retry{Factor: math.NaN()},
		Tolerance: dmap.Tolerance{Percentage: math.NaN()},
	}
	_, err := dmap.PreflightBatch[int, int](t.Context(), nil, batch.Limits{Items: -1}, nil, opts, nil)
	texts := []string{"RunID", "MaxConcurrency", "MaxItems", "Timeout", "Factor", "Percentage", "Items -1", "the function is nil", "the source is nil", "sink 0 is nil"}
	for _, text := range texts {
		require.ErrorContains(t, err, text)
	}
	_, mapErr := dmap.MapBatch[int, int](t.Context(), nil, batch.Limits{Items: -1}, nil, opts, nil)
	for _, text := range texts {
		require.ErrorContains(t, mapErr, text)
	}
	require.Equal(t, dmap.ExitCode(mapErr), dmap.ExitCode(err))
	require.Equal(t, 64, dmap.ExitCode(err))
	var problem *dmap.PreflightError
	require.ErrorAs(t, err, &problem)
	require.Equal(t, "call", problem.Check.Part)

	_, err = dmap.Preflight(t.Context(), numbers(1), uncalled, dmap.Options{Redrive: dmap.Redrive{Max: 1}})
	require.ErrorContains(t, err, "the run has no journal")
	require.Equal(t, 64, dmap.ExitCode(err))
}

// A call that nothing is wrong with passes, and one that Map refuses does not, also by Redact.
func TestThePreflightErrorsHideWhatTheCallHides(t *testing.T) {
	opts := dmap.Options{Redact: dmap.Redact{
		Key:   func(string) string { return "KEY" },
		Error: func(text string) string { return strings.ReplaceAll(text, "secret", "...") },
	}}
	try := func(_ context.Context, spec dmap.RunSpec, report func(dmap.Check)) {
		report(dmap.Check{Op: "read", Key: "jane.json", Err: errors.New(`object "jane.json": secret`), Next: "do"})
	}
	report, err := dmap.Preflight(t.Context(), numbers(1), uncalled, opts, trying{try: try})
	require.ErrorContains(t, err, "KEY")
	require.ErrorContains(t, err, "...: do")
	for _, text := range []string{err.Error(), report.String()} {
		require.NotContains(t, text, "jane")
		require.NotContains(t, text, "secret")
	}

	report, err = dmap.Preflight(t.Context(), itemsOf(func(yield func(dmap.Item[int], error) bool) {
		yield(dmap.Item[int]{Key: "jane.json", Err: errBoom}, nil)
	}), uncalled, opts)
	require.ErrorContains(t, err, "KEY")
	require.NotContains(t, err.Error()+report.String(), "jane")

	opts.Redact.Error = func(string) string { return "hidden" }
	_, err = dmap.Preflight(t.Context(), numbers(1), uncalled, opts, trying{try: func(_ context.Context, _ dmap.RunSpec, report func(dmap.Check)) {
		report(dmap.Check{Op: "read", Key: "jane.json", Err: errors.New(`read "jane.json": secret`)})
	}})
	require.EqualError(t, err, "preflight: sink 0: read KEY: hidden", "the operation is named all the same")
}
