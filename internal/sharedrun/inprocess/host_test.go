package inprocess_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/internal/sharedrun"
	"github.com/go-dmap/dmap/internal/sharedrun/inprocess"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

var errBad = errors.New("bad")

// shared is a run that machines share.
type shared[T any] struct {
	t       *testing.T
	bucket  *blob.Bucket
	src     dmap.Source[T]
	call    func(context.Context, T) (string, error)
	batch   func(context.Context, []dmap.Item[T]) ([]string, error)
	options dmap.Options
	control coord.Control
}

func memory(t *testing.T) *blob.Bucket {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func (s *shared[T]) machine() *sharedrun.Machine[T, string] {
	s.t.Helper()
	s.options.RunID = "r"
	job := leaserun.Job[T, string]{Source: s.src, Call: s.call, Batch: s.batch, Options: s.options}
	if s.batch != nil {
		job.Limits = batch.Limits{Items: 7}
	}
	m, err := sharedrun.New(sharedrun.Job[T, string]{Job: job, Sink: sink.Bucket[string](s.bucket, "out")})
	require.NoError(s.t, err)
	return m
}

func (s *shared[T]) host() *inprocess.Host[T, string] {
	s.t.Helper()
	if s.control.Limit == 0 {
		s.control.Limit, s.control.PerLease = 12, 4
	}
	s.control.Tolerance = s.options.Tolerance
	return inprocess.New(s.control, s.machine(), s.machine(), s.machine())
}

// outcomes are the IDs of the items in the results, each of which must be there once.
func outcomes(t *testing.T, bucket *blob.Bucket) (run *results.Run, succeeded, failed []string) {
	t.Helper()
	run, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	seen := map[string]bool{}
	once := func(id string) string {
		require.False(t, seen[id], "%s is there twice", id)
		seen[id] = true
		return id
	}
	for r, err := range results.Successes[string](t.Context(), bucket, run) {
		require.NoError(t, err)
		succeeded = append(succeeded, once(r.ID))
	}
	for r, err := range results.Failures(t.Context(), bucket, run) {
		require.NoError(t, err)
		failed = append(failed, once(r.ID))
	}
	s := run.Stats
	require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Held+s.Pending)
	require.EqualValues(t, len(succeeded), s.Succeeded)
	require.EqualValues(t, len(failed), s.Failed)
	return run, succeeded, failed
}

// counter counts calls by item.
type counter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counter) add(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[id]++
}

func text(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,x%d\n", i, i)
	}
	return b.String()
}

// Every kind of source gives the results of one Map.
func TestSharedRunsHaveTheResultsOfOneMap(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, b *blob.Bucket) dmap.Source[string]{
		"slice": func(*testing.T, *blob.Bucket) dmap.Source[string] {
			return source.Slice(strings.Fields(text(500)))
		},
		"objects": func(t *testing.T, b *blob.Bucket) dmap.Source[string] {
			for i := range 400 {
				require.NoError(t, b.WriteAll(t.Context(), fmt.Sprintf("in/%d/%03d", i%3, i), []byte("x"), nil))
			}
			return source.Transform(source.Objects(b, "in/"), func(_ context.Context, o source.Object) (string, error) { return o.Key, nil })
		},
		"csv": func(t *testing.T, b *blob.Bucket) dmap.Source[string] {
			require.NoError(t, b.WriteAll(t.Context(), "in.csv", []byte("a,b\n"+text(500)), nil))
			return source.Transform(source.CSV(b, "in.csv", source.Strings), func(_ context.Context, row []string) (string, error) { return row[1], nil })
		},
		"flatten": func(t *testing.T, b *blob.Bucket) dmap.Source[string] {
			for i := range 9 {
				require.NoError(t, b.WriteAll(t.Context(), fmt.Sprintf("in/%d.csv", i), []byte("a,b\n"+text(60)), nil))
			}
			flat := source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[[]string] { return source.CSV(b, o.Key, source.Strings) })
			return source.Transform(flat, func(_ context.Context, row []string) (string, error) { return row[1], nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := memory(t), memory(t)
			call := func(_ context.Context, v string) (string, error) {
				if strings.HasSuffix(v, "3") {
					return "", errBad
				}
				return v, nil
			}
			options := dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Percentage: 50}}
			_, err := dmap.Map(t.Context(), open(t, want), call, options, sink.Bucket[string](want, "out"))
			require.NoError(t, err)
			s := shared[string]{t: t, bucket: got, src: open(t, got), call: call, options: options}
			end, err := s.host().Run(t.Context())
			require.NoError(t, err)
			require.NoError(t, end.Err)
			_, succeeded, failed := outcomes(t, got)
			_, wantSucceeded, wantFailed := outcomes(t, want)
			require.ElementsMatch(t, wantSucceeded, succeeded)
			require.ElementsMatch(t, wantFailed, failed)
			require.NotEmpty(t, failed)
		})
	}
}

// Calls at once, retries and batches are as in one Map, in virtual time.
func TestASharedRunKeepsItsLimitAndRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls counter
		var mu sync.Mutex
		running, most := 0, 0
		s := shared[int]{t: t, bucket: memory(t), src: source.Slice(make([]int, 1000))}
		s.options.Retry = dmap.Retry{MaxAttempts: 3, Initial: time.Second}
		s.call = func(ctx context.Context, _ int) (string, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			info, _ := dmap.InfoFrom(ctx)
			calls.add(info.ID())
			if info.Attempt < 3 && len(info.Key)%2 == 1 {
				return "", errBad
			}
			return info.Key, nil
		}
		end, err := s.host().Run(t.Context())
		require.NoError(t, err)
		require.NoError(t, end.Err)
		run, succeeded, _ := outcomes(t, s.bucket)
		require.Len(t, succeeded, 1000)
		require.LessOrEqual(t, most, 12)
		require.Greater(t, most, 8)
		sum := 0
		for _, n := range calls.calls {
			sum += n
		}
		require.EqualValues(t, sum, run.Stats.Calls)
	})
}

func TestASharedRunOfBatches(t *testing.T) {
	s := shared[int]{t: t, bucket: memory(t), src: source.Slice(make([]int, 300))}
	s.batch = func(_ context.Context, items []dmap.Item[int]) ([]string, error) {
		out, errs := make([]string, len(items)), batch.Errors{}
		for i, item := range items {
			if out[i] = item.Key; item.Offset%10 == 7 {
				errs[i] = errBad
			}
		}
		if len(errs) > 0 {
			return out, errs
		}
		return out, nil
	}
	s.options.Tolerance = dmap.Tolerance{Percentage: 20}
	end, err := s.host().Run(t.Context())
	require.NoError(t, err)
	require.NoError(t, end.Err)
	_, succeeded, failed := outcomes(t, s.bucket)
	require.Len(t, succeeded, 270)
	require.Len(t, failed, 30)
}

// More failures than the tolerance, each of them known, end the run soon.
func TestASharedRunEndsByItsTolerance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared[int]{t: t, bucket: memory(t), src: source.Slice(make([]int, 100_000))}
		s.call = func(context.Context, int) (string, error) { time.Sleep(time.Second); return "", errBad }
		s.options.Tolerance = dmap.Tolerance{Count: 50}
		end, err := s.host().Run(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, end.Err, dmap.ErrTolerance)
		run, _, failed := outcomes(t, s.bucket)
		require.Equal(t, results.Failed, run.Status)
		require.Greater(t, len(failed), 50)
		require.LessOrEqual(t, len(failed), 50+12+3, "calls and leases in flight")
	})
}

// MaxItems takes exactly the first items, skipped ones not counted.
func TestASharedRunTakesExactlyTheFirstItems(t *testing.T) {
	for _, kind := range []string{"slice", "objects"} {
		t.Run(kind, func(t *testing.T) {
			s := shared[string]{t: t, bucket: memory(t)}
			s.call = func(_ context.Context, v string) (string, error) { return v, nil }
			var want []string
			values := make([]string, 300)
			for i := range values {
				values[i] = fmt.Sprintf("in/%04d", i)
				require.NoError(t, s.bucket.WriteAll(t.Context(), values[i], []byte("x"), nil))
			}
			keep := func(v string) bool { return !strings.HasSuffix(v, "5") }
			src := source.Slice(values)
			if kind == "objects" {
				src = source.Transform(source.Objects(s.bucket, "in/"), func(_ context.Context, o source.Object) (string, error) { return o.Key, nil })
			}
			s.src = source.Filter(src, keep)
			for i, v := range values {
				if keep(v) && len(want) < 100 {
					if kind == "objects" {
						want = append(want, v)
					} else {
						want = append(want, fmt.Sprintf("item@%d", i))
					}
				}
			}
			s.options.MaxItems = 100
			end, err := s.host().Run(t.Context())
			require.NoError(t, err)
			require.NoError(t, end.Err)
			_, succeeded, _ := outcomes(t, s.bucket)
			require.ElementsMatch(t, want, succeeded)
		})
	}
}

// A canceled run has a manifest, after which nothing is written.
func TestACanceledSharedRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared[int]{t: t, bucket: memory(t), src: source.Slice(make([]int, 100_000))}
		s.call = func(context.Context, int) (string, error) { time.Sleep(time.Second); return "x", nil }
		h := s.host()
		go func() { time.Sleep(time.Minute); h.Cancel() }()
		end, err := h.Run(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, end.Err, dmap.ErrCanceled)
		run, succeeded, _ := outcomes(t, s.bucket)
		require.Equal(t, results.Canceled, run.Status)
		require.Greater(t, len(succeeded), 500)
		require.NotZero(t, run.Unread)
	})
}

// A host that stops leaves the run to another one, and that to a Map of one machine. Each item has
// one result.
func TestASharedRunIsContinuedByAHostAndByAMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared[int]{t: t, bucket: memory(t), src: source.Slice(make([]int, 3000))}
		s.call = func(ctx context.Context, _ int) (string, error) {
			time.Sleep(time.Second)
			info, _ := dmap.InfoFrom(ctx)
			return info.Key, nil
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			_, err := s.host().Run(ctx)
			cancel()
			require.ErrorIs(t, err, sharedrun.ErrOpen)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		run, succeeded, _ := outcomes(t, s.bucket)
		require.Equal(t, results.Open, run.Status)
		require.Greater(t, len(succeeded), 1000, "those of the first host: the second one has absorbed them")
		stats, err := dmap.Map(t.Context(), s.src, s.call, dmap.Options{RunID: "r"}, sink.Bucket[string](s.bucket, "out"))
		require.NoError(t, err)
		require.EqualValues(t, 3000, stats.Succeeded)
		_, succeeded, _ = outcomes(t, s.bucket)
		require.Len(t, succeeded, 3000)
		end, err := s.host().Run(t.Context())
		require.NoError(t, err)
		require.NoError(t, end.Err, "the run has ended before")
	})
}

// A Map of one machine takes a run from a host that still works on it: the host ends at once,
// although all of its leases are fenced and none can be absorbed.
func TestAHostEndsSoonAfterAMapHasTakenItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared[int]{t: t, bucket: memory(t), src: source.Slice(make([]int, 3000))}
		s.call = func(context.Context, int) (string, error) {
			time.Sleep(time.Second)
			return "", nil
		}
		host, ended := s.host(), make(chan error, 1)
		go func() {
			_, err := host.Run(t.Context())
			ended <- err
		}()
		time.Sleep(20 * time.Second)
		taken := time.Now()
		opts := dmap.Options{RunID: "r", MaxConcurrency: 12}
		run, err := dmap.Start(t.Context(), s.src, s.call, opts, dmap.Sink[string](sink.Bucket[string](s.bucket, "out")))
		require.NoError(t, err)
		require.ErrorIs(t, <-ended, dmap.ErrFenced)
		require.Less(t, time.Since(taken), 10*time.Second)
		_, err = run.Wait()
		require.NoError(t, err)
		_, succeeded, _ := outcomes(t, s.bucket)
		require.Len(t, succeeded, 3000)
	})
}

// Edits hold within seconds.
func TestASharedRunIsEditedAndPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running := 0
		s := shared[int]{t: t, bucket: memory(t), src: source.Slice(make([]int, 5000))}
		s.control.Limit, s.control.PerLease = 192, 16
		s.call = func(context.Context, int) (string, error) {
			mu.Lock()
			running++
			mu.Unlock()
			time.Sleep(500 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return "x", nil
		}
		now := func() int { mu.Lock(); defer mu.Unlock(); return running }
		h := s.host()
		at := map[string]int{} // calls at once
		errs := make(chan error, 3)
		go func() {
			time.Sleep(10*time.Second + 250*time.Millisecond) // in the middle of calls
			at["before"] = now()
			errs <- h.Set(func(c *coord.Control) { c.Limit = 16 })
			time.Sleep(2 * time.Second)
			at["lower"] = now()
			errs <- h.Set(func(c *coord.Control) { c.Paused = true })
			time.Sleep(2 * time.Second)
			at["paused"] = now()
			errs <- h.Set(func(c *coord.Control) { c.Paused, c.Limit = false, 192 })
		}()
		end, err := h.Run(t.Context())
		require.NoError(t, err)
		require.NoError(t, end.Err)
		for range 3 {
			require.NoError(t, <-errs)
		}
		require.Greater(t, at["before"], 16)
		require.LessOrEqual(t, at["lower"], 16)
		require.Zero(t, at["paused"])
		_, succeeded, _ := outcomes(t, s.bucket)
		require.Len(t, succeeded, 5000)
	})
}

// A part of the source that no lease can settle leaves the run open, and the error says which.
func TestASharedRunOfAnEmptyListingStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared[source.Object]{t: t, bucket: memory(t)}
		s.src = source.Objects(s.bucket, "none/")
		s.call = func(context.Context, source.Object) (string, error) { return "", nil }
		_, err := s.host().Run(t.Context())
		require.ErrorIs(t, err, sharedrun.ErrOpen)
		require.ErrorContains(t, err, "none/")
	})
}
