package dmap_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// reread reads the first item of a split of src from a position on.
func reread(t *testing.T, src pieces, split, version string, start dmap.Cursor) dmap.Item[int] {
	t.Helper()
	for s := range src.Splits(t.Context()) {
		if s.ID != split {
			continue
		}
		require.Equal(t, s.Version, version)
		s.From = start
		for item, err := range src.Read(t.Context(), s) {
			require.NoError(t, err)
			return item
		}
	}
	t.Fatalf("split %q has no item at %v", split, start)
	return dmap.Item[int]{}
}

func failFives(_ context.Context, i int) (int, error) {
	if i%5 == 0 {
		return 0, errBoom
	}
	return i, nil
}

func TestFailuresSayWhereToReadTheItemAgain(t *testing.T) {
	src, kept := pieces{500, 70}, new(keep[int])
	stats, err := dmap.Map(t.Context(), src, failFives, dmap.Options{Tolerance: dmap.Tolerance{Count: 100}}, kept)
	require.NoError(t, err)
	require.EqualValues(t, 100, stats.Failed)
	for _, r := range kept.results {
		if r.Err == nil {
			require.Nil(t, r.At, "of a success")
			continue
		}
		again := reread(t, src, r.Split, r.At.Version, r.At.Start)
		require.Equal(t, r.Offset, again.Offset)
		require.Equal(t, again.Next, r.At.Next)
	}
}

func TestPendingItemsSayWhereToReadThemAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, kept := pieces{500, 70}, new(keep[int])
		run, cancel := context.WithCancelCause(t.Context())
		_, err := dmap.Map(run, src, func(ctx context.Context, i int) (int, error) {
			if i == 100 {
				cancel(errBoom)
			}
			if run.Err() != nil { // it does not end before the engine gives it up
				<-ctx.Done()
			}
			return i, ctx.Err()
		}, dmap.Options{}, kept)
		require.ErrorIs(t, err, errBoom)
		require.NotEmpty(t, kept.ended[0].Pending)
		for _, p := range kept.ended[0].Pending {
			again := reread(t, src, p.Split, p.At.Version, p.At.Start)
			require.Equal(t, p.Offset, again.Offset)
			require.Equal(t, again.Next, p.At.Next)
		}
	})
}
