package results_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// generation is a run over numbers whose function fails on the multiples of by.
type generation struct {
	id, parent string
	by         int
	src        dmap.Source[int]
	options    sink.BucketOptions
}

func (g generation) run(t *testing.T, bucket *blob.Bucket) dmap.Stats {
	t.Helper()
	stats, err := dmap.Map(t.Context(), g.src, func(_ context.Context, n int) (string, error) {
		if n%g.by == 0 {
			return "", fmt.Errorf("%d fails in %s", n, g.id)
		}
		return fmt.Sprint(n, " of ", g.id), nil
	}, dmap.Options{RunID: g.id, Parent: g.parent, Tolerance: dmap.Tolerance{Percentage: 100}},
		sink.Bucket[string](bucket, "runs/", g.options))
	require.NoError(t, err)
	return stats
}

func manifestOf(id string) string { return "runs/" + id + "/manifest-000.json" }

func countTo(n int) dmap.Source[int] {
	var list []int
	for i := range n {
		list = append(list, i+1)
	}
	return source.Slice(list)
}

func TestARedriveOfARedriveLeavesEachItemItsLastOutcome(t *testing.T) {
	bucket := memory(t)
	small := sink.BucketOptions{PartBytes: 2000}
	generation{"first", "", 2, countTo(1000), small}.run(t, bucket)
	second := generation{"second", "first", 4, source.Failures[int](bucket, manifestOf("first")), small}.run(t, bucket)
	third := generation{"third", "second", 8, source.Failures[int](bucket, manifestOf("second")), small}.run(t, bucket)
	require.EqualValues(t, 500, second.Read)
	require.EqualValues(t, 250, third.Read)

	m, err := results.Merge[string](t.Context(), bucket, "runs/", "first", "second", "third")
	require.NoError(t, err)
	require.Len(t, m.Runs, 3)
	require.Equal(t, "second", m.Runs[2].Parent)
	seen := map[int64]bool{}
	for o, err := range m.All(t.Context()) {
		require.NoError(t, err)
		require.False(t, seen[o.Offset], "%s twice", o.ID)
		seen[o.Offset] = true
		n := int(o.Offset) + 1
		switch {
		case n%8 == 0:
			require.Equal(t, "FAILED", o.Status)
			require.Equal(t, fmt.Sprint(n, " fails in third"), o.Error)
			require.JSONEq(t, fmt.Sprint(n), string(o.Input))
		case n%4 == 0:
			require.Equal(t, fmt.Sprint(n, " of third"), o.Output)
		case n%2 == 0:
			require.Equal(t, fmt.Sprint(n, " of second"), o.Output)
		default:
			require.Equal(t, fmt.Sprint(n, " of first"), o.Output)
			require.Equal(t, "first", o.RunID)
		}
	}
	require.Len(t, seen, 1000)
	tally, err := m.Count(t.Context())
	require.NoError(t, err)
	require.Equal(t, results.Tally{Succeeded: 875, Failed: 125}, tally)
}

func TestAnItemPendingInARedriveKeepsItsEarlierOutcome(t *testing.T) {
	bucket := memory(t)
	generation{"first", "", 2, countTo(10), sink.BucketOptions{}}.run(t, bucket)
	stop := errors.New("stop")
	// The redrive reads 2, 4, ... 10 and three new items, settles only the first, and leaves the
	// other read items pending: at least all but one.
	seen, readOn, blocked := 0, make(chan struct{}), make(chan struct{})
	src := source.Filter(source.Concat(source.Failures[int](bucket, manifestOf("first")), countTo(3)), func(int) bool {
		if seen++; seen == 8 {
			close(readOn)
		}
		return true
	})
	first := true // of the calls, which come one by one; which item it is depends on the order of the first run's failures
	run, err := dmap.Start(t.Context(), src, func(ctx context.Context, _ int) (string, error) {
		if first {
			first = false
			return "two", nil
		}
		close(blocked)
		<-ctx.Done()
		return "", ctx.Err()
	}, dmap.Options{RunID: "second", Parent: "first", MaxConcurrency: 1}, sink.Bucket[string](bucket, "runs/"))
	require.NoError(t, err)
	<-readOn
	<-blocked
	run.Cancel(stop)
	_, err = run.Wait()
	require.ErrorIs(t, err, stop)
	m, err := results.Merge[string](t.Context(), bucket, "runs/", "first", "second")
	require.NoError(t, err)
	tally, err := m.Count(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 6, tally.Succeeded)
	require.EqualValues(t, 4, tally.Failed)
	require.Contains(t, []int64{2, 3}, tally.Pending)
}

func TestMergeRefusesRunsThatDoNotFit(t *testing.T) {
	bucket := memory(t)
	generation{"first", "", 2, countTo(10), sink.BucketOptions{}}.run(t, bucket)
	generation{"second", "first", 2, source.Failures[int](bucket, manifestOf("first")), sink.BucketOptions{}}.run(t, bucket)
	generation{"third", "second", 2, source.Failures[int](bucket, manifestOf("second")), sink.BucketOptions{Records: sink.Compact}}.run(t, bucket)
	generation{"other", "", 2, countTo(4), sink.BucketOptions{}}.run(t, bucket)
	for want, ids := range map[string][]string{
		"of no runs":                               {},
		`run "first" is named twice`:               {"first", "first"},
		`run "second" is a redrive of "first"`:     {"other", "second"},
		`run "third": records of the form COMPACT`: {"first", "second", "third"},
	} {
		_, err := results.Merge[string](t.Context(), bucket, "runs/", ids...)
		require.ErrorContains(t, err, want)
	}
	_, err := results.Merge[string](t.Context(), bucket, "runs/", "first", "nobody")
	require.ErrorIs(t, err, results.ErrNoRun)
	m, err := results.Merge[int](t.Context(), bucket, "runs/", "first", "second")
	require.NoError(t, err)
	for _, err = range m.All(t.Context()) {
		if err != nil {
			break
		}
	}
	require.ErrorContains(t, err, `output of "item@`)
}
