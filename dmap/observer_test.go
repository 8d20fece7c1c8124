package dmap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

func TestAnObserverSeesEveryCallOnceWithItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recording
		fn := func(ctx context.Context, i int) (int, error) {
			info, _ := dmap.InfoFrom(ctx)
			if _, ok := ctx.Value(recordingKey("call")).(*openCall); !ok {
				return 0, errors.New("without the value of CallStarted")
			}
			switch {
			case i%10 == 1:
				panic("at once")
			case i%10 == 2:
				runtime.Goexit()
			case i%10 == 3 && info.Attempt < 3:
				return 0, errBoom
			case i%10 == 4:
				return 0, dmap.ErrSkip
			case i%10 == 5:
				time.Sleep(time.Hour)
			}
			return i, nil
		}
		run, err := dmap.Start(t.Context(), numbers(100), fn, dmap.Options{
			MaxConcurrency: 7, Timeout: time.Second, AbandonAfter: time.Second, Observer: r.observer(),
			Retry: dmap.Retry{MaxAttempts: 3}, Tolerance: dmap.Tolerance{Percentage: 100},
		})
		require.NoError(t, err)
		require.NoError(t, run.SetMaxConcurrency(9))
		run.Pause()
		run.Resume()
		require.NoError(t, run.SetTolerance(dmap.Tolerance{Percentage: 99}))
		stats, err := run.Wait()
		require.NoError(t, err)
		require.NoError(t, run.SetMaxConcurrency(10), "nobody hears of it")
		run.Suspend()
		require.NoError(t, r.check(stats, err))
		require.EqualValues(t, 120, r.calls)
		require.Equal(t, 10, r.abandoned)
		require.EqualValues(t, 30, stats.Failed)
		require.Len(t, r.retries, 20)
		for _, e := range r.retries {
			require.ErrorIs(t, e.Err, errBoom)
			require.Positive(t, e.Wait)
		}
		require.Equal(t, []dmap.EditEvent{
			{Setting: "MaxConcurrency", From: 7, To: 9}, {Setting: "Paused", From: false, To: true}, {Setting: "Paused", From: true, To: false},
			{Setting: "Tolerance", From: dmap.Tolerance{Percentage: 100}, To: dmap.Tolerance{Percentage: 99}},
		}, r.edits)
		require.Equal(t, []dmap.PhaseEvent{{Phase: dmap.PhaseRead}, {Phase: dmap.PhaseSaving}}, r.phases)
		time.Sleep(2 * time.Hour)
	})
}

func TestAnObserverSeesABatchAsOneCall(t *testing.T) {
	var r recording
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i := range 10 {
			if !yield(dmap.Item[int]{Key: "n", Offset: int64(i), Value: i, Size: 3, Next: dmap.Cursor{Offset: int64(i + 1)}}, nil) {
				return
			}
		}
	})
	stats, err := dmap.MapBatch(t.Context(), src, batch.Limits{Items: 5}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
		info, _ := dmap.InfoFrom(ctx)
		if info.Attempt == 1 {
			return make([]int, len(in)), batch.Errors{1: errBoom, 2: dmap.Permanent(errBoom)}
		}
		return make([]int, len(in)), nil
	}, dmap.Options{Observer: r.observer(), Retry: dmap.Retry{MaxAttempts: 2, Initial: 1}, Tolerance: dmap.Tolerance{Count: 2}})
	require.NoError(t, err)
	require.NoError(t, r.check(stats, err))
	require.EqualValues(t, 4, r.calls)
	require.EqualValues(t, 12, r.items)
	require.EqualValues(t, 36, r.bytes)
	require.Len(t, r.failures, 2)
	var at []int64
	for _, e := range r.retries {
		at = append(at, e.Offset)
	}
	slices.Sort(at)
	require.Equal(t, []int64{1, 6}, at)
}

func TestAnObserverThatMisbehavesNeitherBreaksNorHangsTheRun(t *testing.T) {
	for name, do := range map[string]func(release chan struct{}){
		"panic":  func(chan struct{}) { panic("in an observer") },
		"goexit": func(chan struct{}) { runtime.Goexit() },
		"block":  func(release chan struct{}) { <-release },
	} {
		for _, where := range []string{"RunStarted", "RunEnded", "PhaseChanged", "CallStarted", "CallEnded", "RetryScheduled", "FailureSettled", "Committed", "Edited"} {
			t.Run(name+" in "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					var log logLines
					var d diary
					opts := dmap.Options{
						RunID: "r", MaxConcurrency: 3, Observer: misbehaving(where, func() { do(release) }), Logger: log.logger(0),
						Tolerance: dmap.Tolerance{Count: 1}, Retry: dmap.Retry{MaxAttempts: 2},
					}
					began := time.Now()
					run, err := dmap.Start(t.Context(), numbers(20), func(ctx context.Context, i int) (int, error) {
						time.Sleep(time.Second)
						if i == 7 {
							return 0, errBoom
						}
						return i, nil
					}, opts, &page{}, &d)
					require.NoError(t, err)
					require.NoError(t, run.SetMaxConcurrency(4))
					stats, err := run.Wait()
					require.NoError(t, err)
					require.EqualValues(t, 19, stats.Succeeded)
					require.LessOrEqual(t, time.Since(began), time.Minute)
					require.Len(t, d.counted(t), 20)
					if name == "panic" {
						require.NotEmpty(t, log.about(t, "an event of the observer is lost"))
					} else {
						require.Len(t, log.about(t, "the observer gets no events any more"), 1)
					}
					close(release)
				})
			})
		}
	}
}

// misbehaving is an observer with one function that does something.
func misbehaving(where string, do func()) *dmap.Observer {
	o := &dmap.Observer{}
	start := func(ctx context.Context) context.Context { do(); return ctx }
	switch where {
	case "RunStarted":
		o.RunStarted = func(ctx context.Context, _ dmap.RunStart) context.Context { return start(ctx) }
	case "RunEnded":
		o.RunEnded = func(context.Context, dmap.RunEnd) { do() }
	case "PhaseChanged":
		o.PhaseChanged = func(context.Context, dmap.PhaseEvent) { do() }
	case "CallStarted":
		o.CallStarted = func(ctx context.Context, _ dmap.CallStart) context.Context { return start(ctx) }
	case "CallEnded":
		o.CallEnded = func(context.Context, dmap.CallEnd) { do() }
	case "RetryScheduled":
		o.RetryScheduled = func(context.Context, dmap.RetryEvent) { do() }
	case "FailureSettled":
		o.FailureSettled = func(context.Context, dmap.FailureEvent) { do() }
	case "Committed":
		o.Committed = func(context.Context, dmap.CommitEvent) { do() }
	case "Edited":
		o.Edited = func(context.Context, dmap.EditEvent) { do() }
	}
	return o
}

// A context that an observer returns adds values. It can neither end a call nor keep it alive, and
// hides no value of the call.
func TestTheContextOfAnObserverOnlyAddsValues(t *testing.T) {
	dead, kill := context.WithCancel(t.Context())
	kill()
	for name, out := range map[string]func(context.Context) context.Context{
		"nil": func(context.Context) context.Context { return nil }, //nolint:nilnil // the point
		"ended": func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(errBoom)
			return ctx
		},
		"unrelated": func(context.Context) context.Context { return dead },
		"value": func(ctx context.Context) context.Context {
			return context.WithValue(ctx, recordingKey("k"), "of the observer")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				why := errors.New("why")
				ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), recordingKey("k"), "of the caller"))
				opts := dmap.Options{Timeout: time.Hour, Observer: &dmap.Observer{
					RunStarted:  func(ctx context.Context, _ dmap.RunStart) context.Context { return out(ctx) },
					CallStarted: func(ctx context.Context, _ dmap.CallStart) context.Context { return out(ctx) },
				}}
				want := "of the caller"
				if name == "value" {
					want = "of the observer"
				}
				time.AfterFunc(time.Minute, func() { cancel(why) })
				_, err := dmap.Map(ctx, numbers(1), func(ctx context.Context, _ int) (int, error) {
					info, ok := dmap.InfoFrom(ctx)
					require.True(t, ok)
					require.NotEmpty(t, info.IdempotencyKey())
					require.Equal(t, want, ctx.Value(recordingKey("k")))
					deadline, ok := ctx.Deadline()
					require.True(t, ok)
					require.Equal(t, time.Hour, time.Until(deadline))
					require.NoError(t, ctx.Err())
					<-ctx.Done()
					require.Equal(t, why, context.Cause(ctx))
					return 0, ctx.Err()
				}, opts)
				require.ErrorIs(t, err, why)
			})
		})
	}
}

// The values of RunStarted are in the contexts of source and sinks too.
func TestTheValuesOfRunStartedReachSourceAndSinks(t *testing.T) {
	var r recording
	var inSource, inSink atomic.Bool
	src := items(func(ctx context.Context, yield func(dmap.Item[int], error) bool) {
		inSource.Store(ctx.Value(recordingKey("run")) == &r)
		yield(dmap.Item[int]{Key: "n", Next: dmap.Cursor{Offset: 1}}, nil)
	})
	stats, err := dmap.Map(t.Context(), src, double, dmap.Options{Observer: r.observer()}, dmap.Sink[int](sinkFunc(func(ctx context.Context) {
		inSink.Store(ctx.Value(recordingKey("run")) == &r)
	})))
	require.NoError(t, r.check(stats, err))
	require.True(t, inSource.Load())
	require.True(t, inSink.Load())
}

// The values of RunStarted are in the contexts of all lines of the Logger too, from the first on.
func TestTheLinesOfTheLoggerHaveTheValuesOfRunStarted(t *testing.T) {
	var lines []string
	h := &contextHandler{seen: func(ctx context.Context, message string) {
		if ctx.Value(recordingKey("run")) == "seven" && ctx.Value(recordingKey("caller")) == "eight" {
			lines = append(lines, message)
		}
	}}
	observer := &dmap.Observer{RunStarted: func(ctx context.Context, _ dmap.RunStart) context.Context {
		return context.WithValue(ctx, recordingKey("run"), "seven")
	}}
	ctx := context.WithValue(t.Context(), recordingKey("caller"), "eight")
	_, err := dmap.Map(ctx, numbers(1), double, dmap.Options{Observer: observer, Logger: slog.New(h)})
	require.NoError(t, err)
	require.Equal(t, []string{"dmap: run started", "dmap: run ended"}, lines)
}

// contextHandler passes on each line with its context.
type contextHandler struct {
	slog.Handler
	seen func(ctx context.Context, message string)
}

func (h *contextHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *contextHandler) Handle(ctx context.Context, r slog.Record) error {
	h.seen(ctx, r.Message)
	return nil
}

type sinkFunc func(ctx context.Context)

func (f sinkFunc) Write(ctx context.Context, _ []dmap.Result[int]) error { f(ctx); return nil }
func (f sinkFunc) Flush(context.Context) error                           { return nil }

func TestErrorsInEventsHaveTheTextOfTheRun(t *testing.T) {
	var r recording
	secret := &secretError{}
	_, err := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) { return 0, secret }, dmap.Options{
		Observer: r.observer(), Redact: dmap.Redact{Error: func(string) string { return "redacted" }}, Retry: dmap.Retry{MaxAttempts: 2, Initial: 1},
	})
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.Equal(t, "redacted", r.retries[0].Err.Error())
	require.Equal(t, "redacted", r.lastCallEnd.Err.Error())
	require.Equal(t, "redacted", r.failures[0].Err.Error())
	var own *secretError
	require.ErrorAs(t, r.failures[0].Err, &own)
	require.Equal(t, "secret", dmap.Class(r.failures[0].Err))
	stop := slices.IndexFunc(r.phases, func(e dmap.PhaseEvent) bool { return e.Phase == dmap.PhaseStopping })
	require.ErrorIs(t, r.phases[stop].Cause, dmap.ErrTolerance)
	require.NotContains(t, r.phases[stop].Cause.Error(), "4111")
	require.NotContains(t, r.end.Err.Error(), "4111")
}

// Class survives the methods of errors in events too, as it does those of other errors.
func TestTheClassOfAnErrorInAnEventIsAlwaysKnown(t *testing.T) {
	var r recording
	_, err := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) { return 0, classPanics{} }, dmap.Options{Observer: r.observer()})
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.Equal(t, "error", dmap.Class(r.failures[0].Err))
	require.Equal(t, "error", dmap.Class(r.lastCallEnd.Err))
	require.Equal(t, "error", dmap.Class(err))
}

type classPanics struct{}

func (classPanics) Error() string { return "class panics" }
func (classPanics) Class() string { panic("in Class") }

type secretError struct{}

func (*secretError) Error() string { return "card 4111 1111" }
func (*secretError) Class() string { return "secret" }

func TestAResumedRunTellsItsObserverSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancelCause(t.Context())
		var first, second, third recording
		opts := dmap.Options{RunID: "r", MaxConcurrency: 1, Observer: first.observer()}
		stats, err := dmap.Map(ctx, numbers(10), func(_ context.Context, i int) (int, error) {
			if i == 4 {
				cancel(dmap.ErrSuspended)
				synctest.Wait()
			}
			return i, nil
		}, opts, &page{}, &d)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.NoError(t, first.check(stats, err))
		require.False(t, first.start.Resumed)
		require.Equal(t, dmap.StateOpen, first.end.Stats.State)

		opts.Observer = second.observer()
		stats, err = dmap.Map(t.Context(), numbers(10), double, opts, &page{}, &d)
		require.NoError(t, second.check(stats, err))
		require.True(t, second.start.Resumed)
		require.EqualValues(t, 5, second.start.Stats.Succeeded)
		require.EqualValues(t, 5, second.calls)

		d.ended = &dmap.Ending{Stats: stats}
		opts.Observer = third.observer()
		stats, err = dmap.Map(t.Context(), numbers(10), double, opts, &page{}, &d)
		require.NoError(t, err)
		require.True(t, stats.EndedBefore)
		require.Zero(t, third.events, "the run had ended before")
	})
}

func TestARunThatCannotBeginEndsForItsObserver(t *testing.T) {
	var r recording
	_, err := dmap.Map(t.Context(), numbers(10), double, dmap.Options{Observer: r.observer()}, dmap.Sink[int](refusing{}))
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, 1, r.started)
	require.Equal(t, 1, r.ended)
	require.ErrorIs(t, r.end.Err, errBoom)
}

type refusing struct{ discards }

func (refusing) Begin(context.Context, dmap.RunSpec) error { return errBoom }
func (refusing) End(context.Context, dmap.Ending) error    { return nil }

type discards struct{}

func (discards) Write(context.Context, []dmap.Result[int]) error { return nil }
func (discards) Flush(context.Context) error                     { return nil }

// An observer may change the run, and may even wait for its end, at the cost of its events.
func TestAnObserverMaySteerTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var run atomic.Pointer[dmap.Run]
		started := make(chan struct{})
		var edits atomic.Int64
		opts := dmap.Options{MaxConcurrency: 2, Observer: &dmap.Observer{
			CallEnded: func(context.Context, dmap.CallEnd) {
				<-started
				_ = run.Load().SetMaxConcurrency(5)
				_ = run.Load().Stats()
			},
			Edited: func(context.Context, dmap.EditEvent) {
				if edits.Add(1) == 1 {
					run.Load().Pause()
					run.Load().Resume()
				}
			},
		}}
		r, err := dmap.Start(t.Context(), numbers(10), double, opts)
		require.NoError(t, err)
		run.Store(r)
		close(started)
		_, err = r.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 12, edits.Load())

		run.Store(nil)
		started = make(chan struct{})
		opts.Observer = &dmap.Observer{CallEnded: func(context.Context, dmap.CallEnd) { <-started; <-run.Load().Done() }}
		r, err = dmap.Start(t.Context(), numbers(10), double, opts)
		require.NoError(t, err)
		run.Store(r)
		close(started)
		_, err = r.Wait()
		require.NoError(t, err)
	})
}

func TestJoinedObserversGetEveryEvent(t *testing.T) {
	require.Nil(t, dmap.JoinObservers(nil, nil))
	var a, b recording
	var mu sync.Mutex
	var order []string
	say := func(name string) *dmap.Observer {
		return &dmap.Observer{
			CallStarted: func(ctx context.Context, _ dmap.CallStart) context.Context {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name+" starts")
				return context.WithValue(ctx, recordingKey(name), fmt.Sprint(ctx.Value(recordingKey("x")), name))
			},
			CallEnded: func(context.Context, dmap.CallEnd) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name+" ends")
			},
		}
	}
	stats, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, i int) (int, error) {
		require.Equal(t, "<nil>x", ctx.Value(recordingKey("x")))
		require.Equal(t, "<nil>xy", ctx.Value(recordingKey("y")))
		return i, nil
	}, dmap.Options{Observer: dmap.JoinObservers(a.observer(), nil, say("x"), say("y"), b.observer())})
	require.NoError(t, err)
	require.Equal(t, []string{"x starts", "y starts", "y ends", "x ends"}, order)
	require.Equal(t, a.events, b.events)
	require.NoError(t, b.check(stats, err))
}

func TestAnObserverIsNotStored(t *testing.T) {
	text, err := json.Marshal(dmap.Options{Observer: &dmap.Observer{}})
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(text))
}

// A run without an observer allocates per chunk of items, not per call.
func TestARunWithoutAnObserverAllocatesNothingForIt(t *testing.T) {
	const n = 20_000
	perItem := testing.AllocsPerRun(3, func() {
		_, err := dmap.Map(t.Context(), numbers(n), double, dmap.Options{MaxConcurrency: 4})
		require.NoError(t, err)
	}) / n
	t.Logf("%.3f allocations an item", perItem)
	require.Less(t, perItem, 0.25)
}

// An observer that returns a context made from that of another call gives the function no identity
// of that call.
func TestTheContextOfAnotherCallIsNotThatOfTheCall(t *testing.T) {
	var first context.Context
	opts := dmap.Options{MaxConcurrency: 1, Observer: &dmap.Observer{
		CallStarted: func(ctx context.Context, _ dmap.CallStart) context.Context {
			if first == nil {
				first = context.WithValue(ctx, recordingKey("k"), "of the first call") //nolint:fatcontext // once
			}
			return first
		},
	}}
	_, err := dmap.Map(t.Context(), numbers(3), func(ctx context.Context, n int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		require.EqualValues(t, n, info.Offset)
		require.Equal(t, "of the first call", ctx.Value(recordingKey("k")))
		return n, nil
	}, opts)
	require.NoError(t, err)
}

func TestTheEndOfABatchCallTellsThatItsItemsFailed(t *testing.T) {
	var r recording
	stats, err := dmap.MapBatch(t.Context(), numbers(4), batch.Limits{Items: 2}, func(context.Context, []dmap.Item[int]) ([]int, error) {
		return make([]int, 1), nil
	}, dmap.Options{Observer: r.observer(), Tolerance: dmap.Tolerance{Percentage: 100}})
	require.NoError(t, err)
	require.EqualValues(t, 4, stats.Failed)
	require.ErrorContains(t, r.lastCallEnd.Err, "returned 1 values for 2 items")
}
