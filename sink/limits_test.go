package sink_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// "All" is often written as the largest number. Such a run is read, resumed and redriven.
func TestALimitMayBeTheLargestNumber(t *testing.T) {
	for name, opts := range map[string]dmap.Options{
		"tolerance": {Tolerance: dmap.Tolerance{Count: math.MaxInt64}},
		"sample":    {Tolerance: dmap.Tolerance{Percentage: 100, MinItems: math.MaxInt64}},
		"items":     {MaxItems: math.MaxInt64, Tolerance: dmap.Tolerance{Count: 1}},
		"redrives":  {Redrive: dmap.Redrive{Max: math.MaxInt, Tolerated: true}, Tolerance: dmap.Tolerance{Count: 5}},
		"trial":     {Redrive: dmap.Redrive{Limit: math.MaxInt64, Tolerated: true}, Tolerance: dmap.Tolerance{Count: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			bucket, opts := memory(t), opts
			opts.RunID, opts.CommitEvery = "r", time.Millisecond
			limits := batch.Limits{Items: 10_000, Bytes: math.MaxInt64, Wait: math.MaxInt64}
			call := func(fail error) (dmap.Stats, error) {
				return dmap.MapBatch(t.Context(), source.Slice([]int{1, 2, 3}), limits, func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
					if fail != nil {
						return make([]int, len(items)), batch.Errors{0: fail}
					}
					return make([]int, len(items)), nil
				}, opts, sink.Bucket[int](bucket, "out"))
			}
			_, err := call(errors.New("no"))
			require.NoError(t, err)
			run, err := results.Load(t.Context(), bucket, "out", "r")
			require.NoError(t, err)
			require.EqualValues(t, 1, run.Stats.Failed)
			stats, err := call(nil)
			require.NoError(t, err)
			want := int64(1)
			if opts.Redrive.Tolerated {
				want = 0
			}
			require.Equal(t, want, stats.Failed)
			_, err = results.Load(t.Context(), bucket, "out", "r")
			require.NoError(t, err)
		})
	}
}
