package sink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// blocker is a value whose methods do not return until it is released, if it has a channel.
type blocker struct {
	N       int
	release chan struct{}
}

func (b blocker) MarshalJSON() ([]byte, error) {
	if b.release != nil {
		<-b.release
	}
	return fmt.Appendf(nil, `{"N":%d}`, b.N), nil
}

func TestAMethodThatBlocksCostsOneItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		blocked := blocker{1, release}
		bucket := memory(t)
		f := begun[any](t, bucket, sink.BucketOptions{Inputs: sink.InputsAll})
		bad := row[any](2, 1)
		bad.Input = &blocked
		failed := row[any](3, nil)
		failed.Err, failed.Input = errors.New("bad"), &blocked
		var rejected batch.Errors
		began := time.Now()
		written := []dmap.Result[any]{row[any](0, 1), row[any](1, blocked), bad, failed, row[any](4, blocker{N: 4}), row[any](5, map[blockerKey]int{{}: 1})}
		require.ErrorAs(t, f.Write(t.Context(), written), &rejected)
		require.LessOrEqual(t, time.Since(began), 4*time.Minute)
		clear(written) // as the engine does
		require.Len(t, rejected, 2)
		require.ErrorContains(t, rejected[1], "does not return")
		require.ErrorContains(t, rejected[5], "encode")
		require.Equal(t, "encode", dmap.Class(rejected[1]))
		require.NoError(t, f.Flush(t.Context()))
		require.NoError(t, f.End(t.Context(), dmap.Ending{Pending: []dmap.Pending{
			{Info: dmap.Info{Key: "a"}, Input: &blocked}, {Info: dmap.Info{Key: "b"}, Input: new(int)},
		}}))
		close(release) // a late return changes nothing
		synctest.Wait()
		m, err := results.Load(t.Context(), bucket, "out", "r")
		require.NoError(t, err)
		var offsets []int64
		for _, r := range collect(t, results.Successes[any](t.Context(), bucket, m)) {
			offsets = append(offsets, r.Offset)
		}
		require.Equal(t, []int64{0, 2, 4}, offsets)
		failures := collect(t, results.Failures(t.Context(), bucket, m))
		require.Len(t, failures, 1)
		require.Contains(t, failures[0].InputError, "does not return")
		pending := collect(t, results.Pending(t.Context(), bucket, m))
		require.Len(t, pending, 2)
		require.Contains(t, pending[0].InputError, "does not return")
		require.Equal(t, "0", string(pending[1].Input))
	})
}

// blockerKey has no JSON form as a key.
type blockerKey struct{ blocker }

func (blockerKey) MarshalText() ([]byte, error) { return nil, errors.New("no text") }

// late blocks in UnmarshalJSON until lateRelease is closed.
type late struct{ A int }

var lateRelease chan struct{}

func (*late) UnmarshalJSON([]byte) error { <-lateRelease; return nil }

// The sink reads the input of a failure back.
func TestAnUnmarshalJSONThatBlocksCostsNoRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lateRelease = make(chan struct{})
		bucket := memory(t)
		f := begun[int](t, bucket)
		failed := row[int](0, 0)
		failed.Err, failed.Input = errors.New("bad"), &late{1}
		began := time.Now()
		require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{failed, row(1, 1)}))
		require.LessOrEqual(t, time.Since(began), time.Minute)
		m := ended(t, bucket, f, dmap.Ending{Pending: []dmap.Pending{{Info: dmap.Info{Key: "a"}, Input: &late{2}}}})
		close(lateRelease)
		synctest.Wait()
		require.Len(t, collect(t, results.Successes[int](t.Context(), bucket, m)), 1)
		failures := collect(t, results.Failures(t.Context(), bucket, m))
		require.Len(t, failures, 1)
		require.Contains(t, failures[0].InputError, "read the item from its source again")
		require.Len(t, collect(t, results.Pending(t.Context(), bucket, m)), 1)
	})
}

// A value whose method blocks costs a run one item, whatever else the run does.
func TestARunWithABlockedValueNamesItAndEnds(t *testing.T) {
	for _, name := range []string{"output", "input", "canceled", "error in the log"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				values := make([]blocker, 50)
				for i := range values {
					values[i].N = i
				}
				if name == "input" {
					values[17].release = release
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if name == "canceled" {
					time.AfterFunc(5*time.Second, func() { cancel(errors.New("enough")) })
				}
				var log strings.Builder
				bucket := memory(t)
				began := time.Now()
				opts := dmap.Options{
					RunID: "r", MaxConcurrency: 3, Tolerance: dmap.Tolerance{Count: 1}, DrainTimeout: 10 * time.Second,
					Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				}
				src := source.Slice(values, source.SliceOptions[blocker]{Identity: func(b blocker) string { return fmt.Sprint(b.N) }})
				stats, err := dmap.Map(ctx, src, func(_ context.Context, b blocker) (any, error) {
					switch {
					case b.N != 17:
						return b.N, nil
					case name == "input":
						return nil, errors.New("bad")
					case name == "error in the log":
						return nil, &blockedError{release}
					default:
						return blocker{b.N, release}, nil
					}
				}, opts, sink.Bucket[any](bucket, "out"))
				require.LessOrEqual(t, time.Since(began), 3*time.Minute)
				if name == "canceled" {
					require.Error(t, err)
					require.LessOrEqual(t, time.Since(began), 20*time.Second)
					require.Contains(t, log.String(), `"item":"item@17"`)
				} else {
					require.NoError(t, err)
					require.EqualValues(t, 49, stats.Succeeded)
					require.EqualValues(t, 1, stats.Failed)
					failures := collect(t, results.Failures(t.Context(), bucket, load(t, bucket)))
					require.Len(t, failures, 1)
					require.EqualValues(t, 17, failures[0].Offset)
					requireGrouped(t, bucket)
				}
			})
		})
	}
}

// blockedError blocks in each of its methods.
type blockedError struct{ release chan struct{} }

func (e *blockedError) wait()                        { <-e.release }
func (e *blockedError) Error() string                { e.wait(); return "late" }
func (e *blockedError) LogValue() slog.Value         { e.wait(); return slog.Value{} }
func (e *blockedError) MarshalJSON() ([]byte, error) { e.wait(); return nil, nil }
func (e *blockedError) MarshalText() ([]byte, error) { e.wait(); return nil, nil }

// Records hold what Redact.Input returns, which may be a value of any type, whatever it does.
func TestRecordsHoldWhatRedactInputReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		shown := []any{"hidden", blocker{1, release}, marshaler(func() ([]byte, error) { panic("no") })}
		redact := dmap.Redact{Input: func(v any) any { return shown[*v.(*int)] }}
		bucket := memory(t)
		f := sink.Bucket[int](bucket, "out")
		require.NoError(t, f.Begin(t.Context(), dmap.RunSpec{RunID: "r", Source: "test", Options: dmap.Options{Redact: redact}}))
		var failed []dmap.Result[int]
		var pending []dmap.Pending
		for i := range shown {
			r := row(i, 0)
			r.Err, r.Input = errors.New("bad"), &i
			failed = append(failed, r)
			pending = append(pending, dmap.Pending{Info: dmap.Info{Key: fmt.Sprint(i)}, Input: &i})
		}
		require.NoError(t, f.Write(t.Context(), failed))
		m := ended(t, bucket, f, dmap.Ending{Pending: pending})
		close(release)
		synctest.Wait()
		want := []string{"redacted", "does not return", "cannot be encoded"}
		for i, r := range collect(t, results.Failures(t.Context(), bucket, m)) {
			require.Contains(t, r.InputError, want[i])
			require.Equal(t, i == 0, string(r.Input) == `"hidden"`, "%s", r.Input)
		}
		for i, r := range collect(t, results.Pending(t.Context(), bucket, m)) {
			require.Contains(t, r.InputError, want[i])
			require.Equal(t, i == 0, string(r.Input) == `"hidden"`, "%s", r.Input)
		}
	})
}
