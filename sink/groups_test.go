package sink_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// requireGrouped checks that the stored groups of the run "r" are those of its FAILED records. The
// run has at most 200 kinds of failures.
func requireGrouped(t *testing.T, bucket *blob.Bucket) []results.Group {
	t.Helper()
	r, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	var want failgroup.Index
	ids := map[string]string{}
	for _, f := range collect(t, results.Failures(t.Context(), bucket, r)) {
		want.Add(failgroup.Failure{Class: f.Class, Text: f.Error, Key: f.Key, ID: f.ID, Attempts: f.Attempts, At: f.At})
		ids[f.ID] = f.Group()
	}
	parts := r.FailedParts
	r.FailedParts = nil // the groups do not come from them
	groups, err := results.Groups(t.Context(), bucket, r)
	require.NoError(t, err)
	r.FailedParts = parts
	require.Len(t, groups, len(want.Groups()))
	byID := map[string]failgroup.Group{}
	for _, g := range want.Groups() {
		byID[g.ID] = g
	}
	trial := false // it may leave times and samples of items that it took
	for _, key := range keys(t, bucket) {
		trial = trial || strings.HasPrefix(key, "out/r/redrive-") && strings.Contains(read(t, bucket, key), `"limit"`)
	}
	total := int64(0)
	for _, g := range groups {
		w := byID[g.ID]
		require.Equal(t, w.Count, g.Count, "group %s: %s", g.ID, g.Message)
		require.Equal(t, w.Message, g.Message)
		require.Equal(t, w.Class, g.Class)
		if !trial {
			require.Equal(t, []time.Time{w.First, w.Last}, []time.Time{g.First, g.Last})
			require.Len(t, g.Samples, len(w.Samples))
		}
		require.NotEmpty(t, g.Samples)
		require.False(t, g.First.After(w.First))
		require.False(t, g.Last.Before(w.Last))
		for _, s := range g.Samples {
			require.Equal(t, g.ID, ids[s.ID], "sample %q", s.ID)
		}
		sum := int64(0)
		for _, n := range g.Trend.Counts {
			sum += n
		}
		require.Equal(t, g.Count, sum)
		total += g.Count
	}
	require.Equal(t, r.Stats.Failed, total)
	return groups
}

// many runs the numbers below n; call fails as it likes.
func many(ctx context.Context, bucket *blob.Bucket, n int, opts dmap.Options, call func(i int) (any, error), o ...sink.BucketOptions) (dmap.Stats, error) {
	opts.RunID = "r"
	if opts.MaxConcurrency == 0 {
		opts.MaxConcurrency = 4
	}
	return dmap.Map(ctx, upTo(n), func(_ context.Context, i int) (any, error) { return call(i) }, opts, sink.Bucket[any](bucket, "out", o...))
}

var tolerant = dmap.Options{Tolerance: dmap.Tolerance{Percentage: 100}}

func TestTheFailuresOfARunAreStoredInGroups(t *testing.T) {
	for _, express := range []bool{false, true} {
		t.Run(fmt.Sprintf("express %v", express), func(t *testing.T) {
			bucket := memory(t)
			_, err := many(t.Context(), bucket, 100, tolerant, func(i int) (any, error) {
				switch {
				case i%10 == 1:
					return nil, fmt.Errorf("loan %d: no rate", i)
				case i%10 == 2:
					return math.NaN(), nil // no JSON
				case i == 3:
					panic("boom")
				}
				return i, nil
			}, sink.BucketOptions{Express: express})
			require.NoError(t, err)
			groups := requireGrouped(t, bucket)
			require.Len(t, groups, 3)
			counts := map[string]int64{}
			for _, g := range groups {
				counts[g.Class+": "+g.Message] = g.Count
			}
			require.Equal(t, map[string]int64{
				"error: loan <n>: no rate": 10, "panic: panic: boom": 1, "encode: encode the output: json: unsupported value: NaN": 10,
			}, counts)
			r, err := results.Load(t.Context(), bucket, "out", "r")
			require.NoError(t, err)
			for _, g := range groups {
				require.Len(t, collect(t, results.FailuresOf(t.Context(), bucket, r, g.ID)), int(g.Count))
			}
			require.Empty(t, collect(t, results.FailuresOf(t.Context(), bucket, r, results.OtherGroup)))
		})
	}
}

// Rows that could not be read never had a call.
func TestItemsThatCouldNotBeReadAreInGroups(t *testing.T) {
	bucket := memory(t)
	require.NoError(t, bucket.WriteAll(t.Context(), "in.csv", []byte("N\n1\nx\n3\ny\n"), nil))
	type row struct{ N int }
	opts := tolerant
	opts.RunID = "r"
	_, err := dmap.Map(t.Context(), source.CSV(bucket, "in.csv", source.Into[row]), func(_ context.Context, r row) (int, error) { return r.N, nil },
		opts, sink.Bucket[int](bucket, "out"))
	require.NoError(t, err)
	groups := requireGrouped(t, bucket)
	require.Len(t, groups, 1)
	require.Equal(t, "read", groups[0].Class)
	require.Zero(t, groups[0].Samples[0].Attempts)
	require.Equal(t, "in.csv", groups[0].Samples[0].Key)
	require.Equal(t, []results.KeyPrefix{{Prefix: "in.csv", Count: 2}}, groups[0].Where)
}

func TestKeysOfAnyBytesAreInGroups(t *testing.T) {
	bucket := memory(t)
	f := sink.Bucket[int](bucket, "out")
	require.NoError(t, f.Begin(t.Context(), dmap.RunSpec{RunID: "r"}))
	odd := []string{"\xff/a", "<script>alert(1)</script>", "a\x00b", "", strings.Repeat("k/", 1000), "\u202e"}
	for i, key := range odd {
		info := dmap.Info{Key: key, Offset: int64(i) - 1, Attempt: 1}
		require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{{Info: info, Err: errors.New("bad\xff \x1b[31m")}}))
	}
	require.NoError(t, f.Flush(t.Context()))
	require.NoError(t, f.End(t.Context(), dmap.Ending{Stats: dmap.Stats{Read: 6, Failed: 6}}))
	r, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), bucket, r)
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.EqualValues(t, 6, groups[0].Count)
	require.Equal(t, "\xff/a", groups[0].Samples[0].ID)
	require.Equal(t, "\xff/a", groups[0].Samples[0].Key)
	require.Equal(t, odd[1]+"@0", groups[0].Samples[1].ID)
	require.Equal(t, odd[1], groups[0].Samples[1].Key)
	require.NotContains(t, groups[0].Message, "\x1b")
}

func TestAnOpenRunHasTheGroupsOfItsCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		var calls atomic.Int64
		for range 3 {
			suspended(t, bucket, 200)
			groups := requireGrouped(t, bucket)
			require.Len(t, groups, 1)
			require.Positive(t, groups[0].Count)
		}
		_, err := job(t.Context(), bucket, 200, &calls)
		require.NoError(t, err)
		groups := requireGrouped(t, bucket)
		require.EqualValues(t, 20, groups[0].Count)
		require.Greater(t, groups[0].Last.Sub(groups[0].First), 500*time.Millisecond, "of all processes")
	})
}

func TestARedriveLeavesTheGroupsOfTheOtherFailures(t *testing.T) {
	bucket := memory(t)
	fixed := false
	call := func(i int) (any, error) {
		switch {
		case i%10 == 1:
			return nil, fmt.Errorf("loan %d: no rate", i)
		case i%10 == 2 && !fixed:
			return nil, fmt.Errorf("loan %d: no customer", i)
		}
		return i, nil
	}
	_, err := many(t.Context(), bucket, 100, tolerant, call)
	require.NoError(t, err)
	groups := requireGrouped(t, bucket)
	chosen := slices.IndexFunc(groups, func(g results.Group) bool { return strings.Contains(g.Message, "customer") })
	fixed = true

	// a trial of three, then the rest of the group
	opts := dmap.Options{Tolerance: tolerant.Tolerance, Redrive: dmap.Redrive{Limit: 3, Tolerated: true, Groups: []string{groups[chosen].ID}}}
	stats, err := many(t.Context(), bucket, 100, opts, call)
	require.NoError(t, err)
	before := groups[chosen].Count
	require.EqualValues(t, 17, stats.Failed)
	for _, g := range requireGrouped(t, bucket) {
		if g.ID == groups[chosen].ID {
			require.Equal(t, before-3, g.Count)
		}
	}
	opts.Redrive.Max, opts.Redrive.Limit = 1, 0
	stats, err = many(t.Context(), bucket, 100, opts, call)
	require.NoError(t, err)
	require.EqualValues(t, 10, stats.Failed)
	left := requireGrouped(t, bucket)
	require.Len(t, left, 1)
	require.Equal(t, "loan <n>: no rate", left[0].Message)

	// an index after each end stays readable
	require.Len(t, slices.DeleteFunc(keys(t, bucket), func(key string) bool { return !strings.Contains(key, "GROUPS_") }), 3)
	removed, err := results.Clean(t.Context(), bucket, "out", "r", results.CleanOptions{DryRun: true})
	require.NoError(t, err)
	for _, key := range removed {
		require.NotContains(t, key, "GROUPS_")
	}
}

// A trial reads no more parts than it needs, and its groups are right all the same.
func TestATrialReadsFewParts(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	call := func(i int) (any, error) {
		if i%2 == 1 {
			return nil, fmt.Errorf("%s fails", []string{"alpha", "beta"}[i/2%2])
		}
		return i, nil
	}
	small := sink.BucketOptions{PartBytes: 1 << 10}
	_, err := many(t.Context(), bucket.Bucket, 2000, tolerant, call, small)
	require.NoError(t, err)
	groups := requireGrouped(t, bucket.Bucket)
	before := bucket.Calls(dmaptest.OpOpen)
	opts := dmap.Options{Tolerance: tolerant.Tolerance, Redrive: dmap.Redrive{Limit: 10, Tolerated: true, Groups: []string{groups[0].ID}}}
	stats, err := many(t.Context(), bucket.Bucket, 2000, opts, func(i int) (any, error) { return i, nil }, small)
	require.NoError(t, err)
	require.EqualValues(t, 990, stats.Failed)
	r, err := results.Load(t.Context(), bucket.Bucket, "out", "r")
	require.NoError(t, err)
	require.Greater(t, len(r.FailedParts), 100)
	require.Less(t, bucket.Calls(dmaptest.OpOpen)-before, 50)
	failed := map[string]string{}
	for _, f := range collect(t, results.Failures(t.Context(), bucket.Bucket, r)) {
		failed[f.ID] = f.Group()
	}
	r.FailedParts = nil // the groups do not come from them
	left, err := results.Groups(t.Context(), bucket.Bucket, r)
	require.NoError(t, err)
	require.Len(t, left, 2)
	for _, g := range left {
		want := int64(500)
		if g.ID == groups[0].ID {
			want = 490
		}
		require.Equal(t, want, g.Count)
		require.NotEmpty(t, g.Samples)
		for _, s := range g.Samples {
			require.Equal(t, g.ID, failed[s.ID], "a sample has failed")
		}
	}
}

// A redrive that is interrupted keeps the groups that it was begun with.
func TestTheGroupsOfARedriveAreDurable(t *testing.T) {
	bucket := memory(t)
	call := func(i int) (any, error) { return nil, fmt.Errorf("%s fails", []string{"alpha", "beta"}[i%2]) }
	_, err := many(t.Context(), bucket, 20, tolerant, call)
	require.NoError(t, err)
	groups := requireGrouped(t, bucket)
	require.Len(t, groups, 2)
	ctx, cancel := context.WithCancelCause(t.Context())
	opts := dmap.Options{MaxConcurrency: 1, Tolerance: tolerant.Tolerance, Redrive: dmap.Redrive{Max: 1, Tolerated: true, Groups: []string{groups[0].ID}}}
	calls := 0
	_, err = many(ctx, bucket, 20, opts, func(int) (any, error) {
		if calls++; calls == 4 {
			cancel(dmap.ErrSuspended)
		}
		return nil, nil
	})
	require.ErrorIs(t, err, dmap.ErrSuspended)
	open := requireGrouped(t, bucket)
	require.Len(t, open, 1, "the taken items do not count as failed")
	require.Equal(t, groups[1].ID, open[0].ID)
	require.Contains(t, read(t, bucket, "out/r/redrive-001.json"), groups[0].ID)
	opts.Redrive.Groups = nil // the redrive continues with its own choice
	stats, err := many(t.Context(), bucket, 20, opts, func(int) (any, error) { calls++; return nil, nil })
	require.NoError(t, err)
	require.EqualValues(t, 10, stats.Failed)
	require.Equal(t, 10, calls)
	require.Len(t, requireGrouped(t, bucket), 1)
}

func TestGroupsOfARedriveMustBeIDs(t *testing.T) {
	for _, id := range []string{"", "other", "0123", "0123456789ag", "0123456789abc"} {
		opts := dmap.Options{Redrive: dmap.Redrive{Max: 1, Groups: []string{id}}}
		_, err := many(t.Context(), memory(t), 1, opts, func(int) (any, error) { return nil, nil })
		require.ErrorContains(t, err, "Redrive.Groups")
	}
}

// A sink without the journal learns the failures of earlier processes from its own parts.
func TestASecondSinkHasAllGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		run := func(ctx context.Context) error {
			opts := dmap.Options{RunID: "r", MaxConcurrency: 1, CommitEvery: 50 * time.Millisecond, Tolerance: tolerant.Tolerance}
			_, err := dmap.Map(ctx, upTo(100), func(_ context.Context, i int) (int, error) {
				time.Sleep(10 * time.Millisecond)
				return 0, errors.New("bad")
			}, opts, sink.Bucket[int](bucket, "journal"), sink.Bucket[int](bucket, "out"))
			return err
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(500*time.Millisecond, func() { cancel(dmap.ErrSuspended) })
		require.ErrorIs(t, run(ctx), dmap.ErrSuspended)
		require.NoError(t, run(t.Context()))
		require.EqualValues(t, 100, requireGrouped(t, bucket)[0].Count)
	})
}

// The index is no result: a run whose index cannot be stored ends well, and its records are sorted
// when it is read.
func TestARunWhoseGroupsCannotBeStoredEnds(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	hits := bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Key: "GROUPS_", Sticky: true})
	_, err := many(t.Context(), bucket.Bucket, 20, tolerant, func(int) (any, error) { return nil, errors.New("bad") })
	require.NoError(t, err)
	require.Positive(t, hits())
	r, err := results.Load(t.Context(), bucket.Bucket, "out", "r")
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), bucket.Bucket, r)
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.EqualValues(t, 20, groups[0].Count)
}

// A trial whose index is damaged reads all records, and stores an index that is right.
func TestATrialNeedsNoGroups(t *testing.T) {
	for name, damage := range map[string]func(bucket *blob.Bucket, key string) error{
		"absent": func(bucket *blob.Bucket, key string) error { return bucket.Delete(t.Context(), key) },
		"changed": func(bucket *blob.Bucket, key string) error {
			return bucket.WriteAll(t.Context(), key, []byte("{}\n"), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			_, err := many(t.Context(), bucket, 20, tolerant, func(i int) (any, error) { return nil, fmt.Errorf("%s fails", letters(i%2)) })
			require.NoError(t, err)
			for _, key := range keys(t, bucket) {
				if strings.HasPrefix(key, "out/r/GROUPS_") {
					require.NoError(t, damage(bucket, key))
				}
			}
			opts := dmap.Options{Tolerance: tolerant.Tolerance, Redrive: dmap.Redrive{Limit: 3, Tolerated: true}}
			stats, err := many(t.Context(), bucket, 20, opts, func(i int) (any, error) { return i, nil })
			require.NoError(t, err)
			require.EqualValues(t, 17, stats.Failed)
			require.Len(t, requireGrouped(t, bucket), 2)
		})
	}
}

// 100,000 failures of 5,000 kinds: the figures of docs/howto/failures.md.
func TestManyKindsOfFailuresCostLittle(t *testing.T) {
	bucket := memory(t)
	n := testsize.Sizes{Short: 10_000, Race: 10_000, Usual: 100_000}.Now()
	start := time.Now()
	_, err := many(t.Context(), bucket, n, dmap.Options{Tolerance: tolerant.Tolerance, CommitEvery: 100 * time.Millisecond}, func(i int) (any, error) {
		return nil, fmt.Errorf("kind %s: loan %d: dial tcp 10.0.0.%d:443: connection refused", letters(i%5000), i, i%256)
	})
	require.NoError(t, err)
	elapsed := time.Since(start)
	r, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), bucket, r)
	require.NoError(t, err)
	require.Len(t, groups, 201)
	total := int64(0)
	for _, g := range groups {
		total += g.Count
	}
	require.EqualValues(t, n, total)
	var index, journal int
	for _, key := range keys(t, bucket) {
		switch {
		case strings.Contains(key, "GROUPS_"):
			index += len(read(t, bucket, key))
		case strings.Contains(key, "/commits/"):
			journal += len(read(t, bucket, key))
		}
	}
	t.Logf("%d failures of 5,000 kinds: index %d bytes, %d commits with %d bytes, run took %v", n, index, r.Commits, journal, elapsed)
	require.Less(t, index, 512<<10)
}

// letters is a number in letters that are no hexadecimal digits.
func letters(i int) string {
	out := "g"
	for ; i > 0; i /= 20 {
		out += string("ghijklmnopqrstuvwxyz"[i%20])
	}
	return out
}
