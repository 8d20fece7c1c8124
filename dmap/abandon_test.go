package dmap_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// deafSource yields ten items and then blocks, whatever its context says, until it is released.
type deafSource struct{ release chan struct{} }

func (s deafSource) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range 10 {
			if !yield(dmap.Item[int]{Key: "n", Offset: int64(i), Value: i, Next: dmap.Cursor{Offset: int64(i) + 1}}, nil) {
				return
			}
		}
		<-s.release
		yield(dmap.Item[int]{Key: "n", Offset: 10, Next: dmap.Cursor{Offset: 11}}, nil)
	}
}

// deafSink blocks in one of its methods, whatever the context says, until it is released.
type deafSink struct {
	in      string
	release chan struct{}
}

func (s deafSink) wait(method string) error {
	if s.in == method {
		<-s.release
	}
	return nil
}

func (s deafSink) Begin(context.Context, dmap.RunSpec) error       { return s.wait("Begin") }
func (s deafSink) Write(context.Context, []dmap.Result[int]) error { return s.wait("Write") }
func (s deafSink) Flush(context.Context) error                     { return s.wait("Flush") }
func (s deafSink) End(context.Context, dmap.Ending) error          { return s.wait("End") }

func TestASourceOrSinkThatIgnoresItsContextIsAbandonedAfterAStatedLimit(t *testing.T) {
	for _, in := range []string{"source", "Begin", "Write", "Flush", "End"} {
		for _, limit := range []time.Duration{0, 5 * time.Second} {
			t.Run(in+" "+limit.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					over := errors.New("over")
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(time.Second, func() { cancel(over) })
					src, other := dmap.Source[int](numbers(10)), &keep[int]{}
					if in == "source" {
						src = deafSource{release}
					}
					began := time.Now()
					stats, err := dmap.Map(ctx, src, double, dmap.Options{MaxConcurrency: 1, AbandonAfter: limit, DrainTimeout: 2 * time.Second},
						dmap.Sink[int](deafSink{in, release}), dmap.Sink[int](other))
					took := time.Since(began)
					stated := limit
					if stated == 0 {
						stated = 10 * time.Minute
					}
					require.ErrorIs(t, err, dmap.ErrStuck)
					require.ErrorContains(t, err, "Options.AbandonAfter")
					require.ErrorContains(t, err, stated.String())
					require.GreaterOrEqual(t, took, stated)
					require.LessOrEqual(t, took, stated+stated/5+10*time.Second)
					require.Equal(t, stats.Read, stats.Succeeded+stats.Pending)
					if in != "Begin" && in != "Write" {
						require.EqualValues(t, 10, stats.Succeeded)
					}
					if in == "source" {
						require.Len(t, other.results, 10, "what was read before is stored")
						require.ErrorIs(t, err, over)
					} else {
						require.ErrorContains(t, err, in, "the method is named")
					}
					close(release) // a late return changes nothing
					synctest.Wait()
				})
			})
		}
	}
}

func TestAHandlerThatBlocksCostsNoMoreThanItsLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		began := time.Now()
		stats, err := dmap.Map(t.Context(), numbers(100), double, dmap.Options{Logger: blocked(release)})
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
		require.LessOrEqual(t, time.Since(began), time.Minute)
		close(release)
		synctest.Wait()
	})
}

// blocked is a logger whose handler blocks until it is released.
func blocked(release chan struct{}) *slog.Logger { return slog.New(blockedHandler{release}) }

type blockedHandler struct{ release chan struct{} }

func (h blockedHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (h blockedHandler) Handle(context.Context, slog.Record) error { <-h.release; return nil }
func (h blockedHandler) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h blockedHandler) WithGroup(string) slog.Handler             { return h }
