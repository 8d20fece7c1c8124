package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

func TestGeneratedConforms(t *testing.T) {
	for _, g := range []generated{{101, 7}, {3, 10}, {20, 1}} {
		items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[int64] { return g })
		require.Len(t, items, int(g.n))
		for i, item := range items {
			require.Equal(t, int64(i), item.Value)
		}
	}
}

func TestGeneratedObjectsConform(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	objects := func() *generatedObjects { return &generatedObjects{n: 3, bucket: bucket} }
	dmaptest.TestSource(t, func(testing.TB) dmap.Source[source.Object] { return objects() })
	items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[int64] { return source.Flatten(objects(), objects().rows) })
	require.Len(t, items, 3*rowsOfObject)
}

func TestFailFailsThePercentage(t *testing.T) {
	for _, percent := range []int64{0, 1, 50} {
		out, err := toNowhere(10, fail(percent), waitOnly)(t.Context(), workload{N: 1000, Concurrency: 10})
		require.NoError(t, err)
		require.Equal(t, 10*percent, out.Failed)
		require.Equal(t, 1000-10*percent, out.Succeeded)
	}
}

func TestSamplesReachTheEndOfTheRun(t *testing.T) {
	out, err := toNowhere(10, succeed, waitAndSample)(t.Context(), workload{N: 200_000, Concurrency: 10})
	require.NoError(t, err)
	require.NotEmpty(t, out.Series)
	last := out.Series[len(out.Series)-1]
	require.Equal(t, int64(200_000), last.Units)
	require.Positive(t, last.Resident)
}

func TestSeriesKeepsFewEvenlySpacedPoints(t *testing.T) {
	for ticks := range 500 {
		var s series
		now := int64(0)
		for range ticks {
			now++
			s.tick(func() point { return point{Units: now} })
		}
		require.LessOrEqual(t, len(s.points), maxPoints)
		require.GreaterOrEqual(t, len(s.points), min(ticks, maxPoints/2))
		for i, p := range s.points {
			require.Equal(t, s.points[0].Units*int64(i+1), p.Units, "%d ticks", ticks)
		}
	}
}

func TestGrowthComparesTheHalves(t *testing.T) {
	m := measured{outcome: outcome{Series: []point{{Resident: 10}, {Resident: 20}, {Resident: 15}, {Resident: 30}}}}
	require.Equal(t, 1.5, growth.of(m, workload{}))
	require.Zero(t, growth.of(measured{}, workload{}))
}

func TestPrintSeries(t *testing.T) {
	var out bytes.Buffer
	rep := charted()
	rep.Cases[2].Runs[0].Series = []point{
		{At: time.Second, Units: 100, Resident: 10 << 20, CPU: 2 * time.Microsecond},
		{At: 2 * time.Second, Units: 100, Resident: 10 << 20, CPU: 2 * time.Microsecond},
		{At: 3 * time.Second, Units: 150, Resident: 11 << 20, CPU: 4 * time.Microsecond},
	}
	require.NoError(t, rep.printSeries(&out))
	require.Equal(t, strings.Join([]string{
		"dmap, over time:",
		"    wall s  done  CPU ns per item since the last line  resident MiB",
		"      1.00   100                                   20          10.0",
		"      2.00   100                                    -          10.0",
		"      3.00   150                                   40          11.0",
		"",
	}, "\n"), out.String())
}
