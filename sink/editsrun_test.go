package sink_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

func load(t *testing.T, bucket *blob.Bucket) *results.Run {
	t.Helper()
	r, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	return r
}

// settings are the new values of the edits, in order.
func settings(r *results.Run) (all []string) {
	for _, e := range r.Edits {
		all = append(all, e.Setting+" "+e.To)
	}
	return all
}

func TestEditsAreReadFromOpenEndedAndRedrivenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		bad := true
		call := func(ctx context.Context, i int) (int, error) {
			time.Sleep(time.Second)
			if bad && i%2 == 0 {
				return 0, errBad
			}
			return 2 * i, ctx.Err()
		}
		start := func(opts dmap.Options) *dmap.Run {
			opts.RunID, opts.CommitEvery, opts.MaxConcurrency, opts.DrainTimeout = "r", 2*time.Second, 4, time.Second
			run, err := dmap.Start(t.Context(), upTo(40), call, opts, sink.Bucket[int](bucket, "out"))
			require.NoError(t, err)
			return run
		}
		run := start(dmap.Options{Tolerance: dmap.Tolerance{Count: 30}})
		time.Sleep(500 * time.Millisecond)
		at := time.Now()
		require.NoError(t, run.SetMaxConcurrency(2))
		time.Sleep(2 * time.Second)
		r := load(t, bucket)
		require.Equal(t, results.Open, r.Status)
		require.EqualValues(t, 1, r.EditCount)
		require.Equal(t, []dmap.Edit{{At: at.UTC().Truncate(time.Microsecond), Setting: "MaxConcurrency", From: "4", To: "2"}}, r.Edits)
		require.Equal(t, &dmap.Tolerance{Count: 30}, r.Tolerance)
		require.NoError(t, run.SetTolerance(dmap.Tolerance{Percentage: 60}))
		run.Suspend()
		_, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrSuspended)
		r = load(t, bucket)
		require.Equal(t, []string{"MaxConcurrency 2", "Tolerance 60 %"}, settings(r))
		require.Equal(t, &dmap.Tolerance{Percentage: 60}, r.Tolerance)

		run = start(dmap.Options{Tolerance: dmap.Tolerance{Percentage: 70}})
		require.Equal(t, &dmap.Tolerance{Percentage: 70}, load(t, bucket).Tolerance, "it begins with its options")
		run.Pause()
		run.Resume()
		_, err = run.Wait()
		require.NoError(t, err)
		r = load(t, bucket)
		require.Equal(t, results.Succeeded, r.Status)
		require.Equal(t, []string{"MaxConcurrency 2", "Tolerance 60 %", "Paused true", "Paused false"}, settings(r))
		require.EqualValues(t, 4, r.EditCount)
		require.Equal(t, &dmap.Tolerance{Percentage: 70}, r.Tolerance)

		bad = false
		run = start(dmap.Options{Redrive: dmap.Redrive{Max: 1, Tolerated: true}})
		require.NoError(t, run.SetMaxConcurrency(3))
		time.Sleep(4500 * time.Millisecond)
		r = load(t, bucket)
		require.Equal(t, results.Open, r.Status)
		require.Len(t, r.Edits, 5, "a redrive keeps the edits")
		require.Equal(t, &dmap.Tolerance{}, r.Tolerance)
		_, err = run.Wait()
		require.NoError(t, err)
		r = load(t, bucket)
		require.Equal(t, 1, r.Redrive)
		require.Len(t, r.Edits, 5)
		require.Equal(t, "MaxConcurrency 3", settings(r)[4])
	})
}

func TestEditsOfEndedOpenRunsAndOfExpressRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, express := range map[string]bool{"End": false, "Express": true} {
			bucket := memory(t)
			run, err := dmap.Start(t.Context(), upTo(10), func(context.Context, int) (int, error) {
				time.Sleep(time.Second)
				return 0, nil
			}, dmap.Options{RunID: "r", MaxConcurrency: 1, DrainTimeout: time.Second}, sink.Bucket[int](bucket, "out", sink.BucketOptions{Express: express}))
			require.NoError(t, err)
			require.NoError(t, run.SetTolerance(dmap.Tolerance{Count: 9}))
			if !express {
				run.Suspend()
			}
			_, err = run.Wait()
			if !express {
				require.ErrorIs(t, err, dmap.ErrSuspended)
				require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
			}
			r := load(t, bucket)
			require.False(t, r.Stopped.IsZero(), name)
			require.Equal(t, []string{"Tolerance 9 items"}, settings(r), name)
			require.Equal(t, &dmap.Tolerance{Count: 9}, r.Tolerance, name)
		}
	})
}

// A process that stops at any record of its journal leaves each edit once: none is doubled by a
// lost answer, and those that a reader has seen stay.
func TestAnEditIsThereOnceAfterAnyFault(t *testing.T) {
	for _, kind := range []dmaptest.Kind{dmaptest.Fail, dmaptest.Lost} {
		for nth := range 7 {
			t.Run(fmt.Sprint(kind, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { editAndBreak(t, kind, nth+1) })
			})
		}
	}
}

func editAndBreak(t *testing.T, kind dmaptest.Kind, nth int) {
	bucket := memory(t)
	number := 10
	process := func(b *blob.Bucket) {
		run, err := dmap.Start(t.Context(), upTo(40), func(_ context.Context, i int) (int, error) {
			time.Sleep(100 * time.Millisecond)
			return 2 * i, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 1, CommitEvery: 300 * time.Millisecond, DrainTimeout: time.Second, Rate: dmap.Rate{Calls: 8}},
			sink.Bucket[int](b, "out"))
		if err != nil {
			return
		}
		for ended := false; !ended; {
			select {
			case <-run.Done():
				ended = true
			case <-time.After(150 * time.Millisecond):
				number++
				require.NoError(t, run.SetRate(dmap.Rate{Calls: float64(number)}))
			}
		}
	}
	faults := dmaptest.NewFaultBucket(t, bucket)
	faults.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: "commits/", Nth: nth, Sticky: true, Kind: kind})
	process(faults.Bucket)
	seen := load(t, bucket)
	process(bucket)
	r := load(t, bucket)
	require.Equal(t, results.Succeeded, r.Status)
	require.Len(t, r.Edits, int(r.EditCount))
	require.Greater(t, len(r.Edits), 3)
	for i, e := range seen.Edits {
		require.Equal(t, e, r.Edits[i])
	}
	last := 0
	for _, e := range r.Edits {
		var to int
		_, err := fmt.Sscanf(e.To, "%d calls a second", &to)
		require.NoError(t, err)
		require.Greater(t, to, last)
		last = to
	}
}
