package inprocess_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

// overIdeal runs a shared run over a store that takes 20 ms a request, and returns the wall time
// and the smallest possible one.
func overIdeal(t *testing.T, control coord.Control, calls []time.Duration) (wall, ideal time.Duration) {
	wall = wallTime(t, control, source.Slice(calls))
	for _, d := range calls {
		ideal += d / time.Duration(control.Limit)
	}
	return wall, ideal
}

// wallTime is the time that a shared run takes, over a store that takes 20 ms a request.
func wallTime(t *testing.T, control coord.Control, src dmap.Source[time.Duration]) (wall time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		store := dmaptest.NewFaultBucket(t, memory(t))
		for _, op := range []dmaptest.Op{dmaptest.OpOpen, dmaptest.OpList, dmaptest.OpClose} {
			store.Inject(dmaptest.Fault{Op: op, Sticky: true, Kind: dmaptest.Slow, Delay: 20 * time.Millisecond})
		}
		s := shared[time.Duration]{t: t, bucket: store.Bucket, src: src, control: control}
		var gauge dmaptest.Gauge
		s.call = dmaptest.Gauged(&gauge, func(_ context.Context, d time.Duration) (string, error) {
			time.Sleep(d)
			return "", nil
		})
		began := time.Now()
		end, err := s.host().Run(t.Context())
		require.NoError(t, err)
		require.NoError(t, end.Err)
		wall = time.Since(began)
		gauge.AtMost(t, control.Limit)
	})
	return wall
}

func even(n int, d time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d
	}
	return out
}

// uneven are calls of 1 to 16 times the smallest one, most of them short.
func uneven(n int, least time.Duration) []time.Duration {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(float64(least) * min(16, math.Pow(1-random.Float64(), -0.8)))
	}
	return out
}

// lognormal are calls with a mean time, of which a few take far longer.
func lognormal(n int, mean time.Duration) []time.Duration {
	random := rand.New(rand.NewPCG(3, 4))
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(float64(mean) * math.Exp(random.NormFloat64()-0.5))
	}
	return out
}

// In virtual time: the policy of leases, without the speed of this machine.
func TestSharedRunsEndNearTheIdealTime(t *testing.T) {
	control := func(limit, per int) coord.Control {
		return coord.Control{Limit: limit, PerLease: per, Tolerance: dmap.Tolerance{Percentage: 100}}
	}
	cases := []struct {
		name    string
		control coord.Control
		calls   []time.Duration
		rounds  int // whose mean counts: the order of calls is random
		most    float64
	}{
		// Leases open and end in 200 ms. The longest calls of the last two take 160 s, and 40 of
		// the 55 min.
		{"short", control(90, 8), even(20_000, 20*time.Millisecond), 1, 1.6},
		{"seconds", control(90, 8), even(5_000, time.Second), 1, 1.1},
		{"hours", control(30, 8), even(90, time.Hour), 1, 1.05},
		{"uneven, 9 leases", control(300, 34), uneven(60_000, 200*time.Millisecond), 3, 1.14},
		{"uneven", control(300, 10), uneven(60_000, 200*time.Millisecond), 1, 1.15},
		{"uneven, a minute", control(300, 20), uneven(60_000, 100*time.Millisecond), 3, 1.15},
		{"uneven and slow", control(300, 10), uneven(8_000, 10*time.Second), 1, 1.4},
		{"lognormal", control(90, 8), lognormal(5_000, time.Minute), 1, 1.45},
	}
	for _, c := range cases[:testsize.Sizes{Short: 3, Race: 1, Usual: len(cases)}.Now()] {
		t.Run(c.name, func(t *testing.T) {
			var wall, ideal time.Duration
			for range c.rounds {
				took, least := overIdeal(t, c.control, c.calls)
				wall, ideal = wall+took/time.Duration(c.rounds), least
			}
			t.Logf("%v, ideal %v: %.2f; the longest call %v", wall, ideal, wall.Seconds()/ideal.Seconds(), slices.Max(c.calls))
			require.LessOrEqual(t, wall.Seconds()/ideal.Seconds(), c.most)
			require.LessOrEqual(t, wall, ideal*11/10+slices.Max(c.calls)+2*time.Second)
		})
	}
}
