package source_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// What a source reads follows a store that throttles, apart from the calls.
func TestAReadingOutlastsAStoreThatThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memblob.OpenBucket(nil)
		defer inner.Close()
		require.NoError(t, inner.WriteAll(t.Context(), "rows.jsonl", []byte("1\n2\n3\n"), nil))
		bucket := dmaptest.NewFaultBucket(t, inner)
		for n := range 9 {
			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Nth: n + 1, Code: gcerrors.ResourceExhausted})
		}
		stats, err := dmap.Map(t.Context(), source.JSONLines[int](bucket.Bucket, "rows.jsonl"), func(_ context.Context, n int) (int, error) {
			return n, nil
		}, dmap.Options{})
		require.NoError(t, err)
		require.EqualValues(t, 3, stats.Succeeded)
		require.EqualValues(t, 9, stats.SourceThrottled)
		require.Zero(t, stats.Throttled)
		require.Zero(t, stats.AdaptedLimit)
	})
}
