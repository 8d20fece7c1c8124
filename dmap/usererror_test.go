package dmap_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// rogue is an error of which one method misbehaves.
type rogue struct {
	method string
	do     func()
}

func (r *rogue) in(method string) {
	if r.method == method {
		r.do()
	}
}

func (r *rogue) Error() string             { r.in("Error"); return "rogue" }
func (r *rogue) Unwrap() error             { r.in("Unwrap"); return nil }
func (r *rogue) Is(error) bool             { r.in("Is"); return false }
func (r *rogue) As(any) bool               { r.in("As"); return false }
func (r *rogue) Class() string             { r.in("Class"); return "rogue" }
func (r *rogue) RetryAfter() time.Duration { r.in("RetryAfter"); return 0 }

// rogues are errors that misbehave in each of the ways.
func rogues() map[string]error {
	all := map[string]error{"typed nil": (*rogue)(nil), "wrapped typed nil": hides{(*rogue)(nil)}}
	for _, method := range []string{"Error", "Unwrap", "Is", "As", "Class", "RetryAfter"} {
		all["panic in "+method] = &rogue{method, func() { panic("rogue") }}
		all["Goexit in "+method] = &rogue{method, runtime.Goexit}
		all["wrapped Goexit in "+method] = hides{&rogue{method, runtime.Goexit}}
		all["joined Goexit in "+method] = errors.Join(errBoom, hides{&rogue{method, runtime.Goexit}})
	}
	return all
}

// hides wraps an error without a call of its methods.
type hides struct{ err error }

func (h hides) Error() string { return "hides" }
func (h hides) Unwrap() error { return h.err }

// Methods of an error that misbehave cost the item of the error and no other.
func TestMethodsOfAnErrorCostItsItemAtMost(t *testing.T) {
	const n, bad = 200, 77
	opts := dmap.Options{MaxConcurrency: 3, Tolerance: dmap.Tolerance{Count: 1}, Retry: dmap.Retry{MaxAttempts: 2, Initial: 1, NoJitter: true}}
	one := func(t *testing.T, want error, stats dmap.Stats, err error, got *keep[int]) {
		t.Helper()
		require.NoError(t, err)
		requireSum(t, stats)
		require.EqualValues(t, 1, stats.Failed)
		require.EqualValues(t, n-1, stats.Succeeded)
		require.Same(t, want, got.byOffset()[bad].Err)
	}
	for name, broken := range rogues() {
		want := &holder{broken} // compared by identity, not by its methods
		t.Run(name, func(t *testing.T) {
			var got keep[int]
			stats, err := dmap.Map(t.Context(), numbers(n), func(_ context.Context, i int) (int, error) {
				if i == bad {
					return 0, want
				}
				return i, nil
			}, opts, &got)
			one(t, want, stats, err, &got)

			got = keep[int]{}
			stats, err = dmap.MapBatch(t.Context(), numbers(n), batch.Limits{Items: 10}, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
				for i := range in {
					if in[i].Value == bad {
						return make([]int, len(in)), batch.Errors{i: want}
					}
				}
				return make([]int, len(in)), nil
			}, opts, &got)
			one(t, want, stats, err, &got)
		})
	}
}

// holder gives its error's methods to errors.Is and errors.As, and can be compared.
type holder struct{ error }

func (h *holder) Unwrap() error { return h.error }

func TestAnErrorOfABatchThatMisbehavesFailsItsItems(t *testing.T) {
	for name, broken := range rogues() {
		t.Run(name, func(t *testing.T) {
			stats, err := dmap.MapBatch(t.Context(), numbers(100), batch.Limits{Items: 10}, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
				if in[0].Value == 50 {
					return nil, broken
				}
				return make([]int, len(in)), nil
			}, dmap.Options{MaxConcurrency: 3, Tolerance: dmap.Tolerance{Count: 10}})
			require.NoError(t, err)
			requireSum(t, stats)
			require.EqualValues(t, 10, stats.Failed)
			require.EqualValues(t, 90, stats.Succeeded)
		})
	}
}

func TestRetryableCostsItsItemAtMost(t *testing.T) {
	for name, do := range map[string]func(){"panic": func() { panic("rogue") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			stats, err := dmap.Map(t.Context(), numbers(100), func(_ context.Context, i int) (int, error) {
				if i%10 == 0 {
					return 0, errBoom
				}
				return i, nil
			}, dmap.Options{MaxConcurrency: 3, Tolerance: dmap.Tolerance{Count: 10}, Retry: dmap.Retry{
				MaxAttempts: 3, Initial: 1, Retryable: func(error) bool { do(); return true },
			}})
			require.NoError(t, err)
			requireSum(t, stats)
			require.EqualValues(t, 10, stats.Failed)
			require.EqualValues(t, 100, stats.Calls)
		})
	}
}

func TestAnErrorOfASourceThatMisbehavesFailsItsItem(t *testing.T) {
	for name, broken := range rogues() {
		src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
			for i := range 10 {
				item := dmap.Item[int]{Key: "n", Offset: int64(i)}
				if i == 5 {
					item.Err = broken
				}
				if !yield(item, nil) {
					return
				}
			}
		})
		t.Run(name, func(t *testing.T) {
			stats, err := dmap.Map(t.Context(), src, double, dmap.Options{MaxConcurrency: 2, Tolerance: dmap.Tolerance{Count: 1}})
			require.NoError(t, err)
			requireSum(t, stats)
			require.EqualValues(t, 1, stats.Failed)
		})
	}
}

// The error of a run that failed by tolerance holds the first failures, and is printed by its
// caller.
func TestTheErrorOfARunCanBePrinted(t *testing.T) {
	for name, broken := range rogues() {
		t.Run(name, func(t *testing.T) {
			_, err := dmap.Map(t.Context(), numbers(10), func(context.Context, int) (int, error) { return 0, broken }, dmap.Options{})
			text := "a method of the error ended the goroutine"
			done := make(chan struct{})
			go func() {
				defer close(done)
				text = err.Error()
			}()
			<-done
			require.Contains(t, text, "tolerance for failed items exceeded")
		})
	}
}
