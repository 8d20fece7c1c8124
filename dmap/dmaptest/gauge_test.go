package dmaptest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGaugeSeesThePeakOfOverlappingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gauge Gauge
		nap := Gauged(&gauge, func(_ context.Context, d time.Duration) (time.Duration, error) {
			<-time.After(d)
			return d, nil
		})
		var wg sync.WaitGroup
		for _, d := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
			wg.Go(func() { _, _ = nap(t.Context(), d) })
		}
		synctest.Wait()
		require.Equal(t, 3, gauge.Now())
		<-time.After(1500 * time.Millisecond)
		require.Equal(t, 2, gauge.Now())
		wg.Wait()
		require.Zero(t, gauge.Now())
		require.Equal(t, 3, gauge.Peak())
		require.EqualValues(t, 3, gauge.Total())
		gauge.AtMost(t, 3)
	})
}

func TestGaugeCountsOutCallsThatFailOrPanic(t *testing.T) {
	var gauge Gauge
	fail := Gauged(&gauge, func(context.Context, int) (int, error) { return 7, errors.New("no") })
	v, err := fail(t.Context(), 1)
	require.Equal(t, 7, v)
	require.EqualError(t, err, "no")
	require.Panics(t, func() {
		_, _ = Gauged(&gauge, func(context.Context, int) (int, error) { panic("boom") })(t.Context(), 1)
	})
	require.Zero(t, gauge.Now())
	require.EqualValues(t, 2, gauge.Total())
}

func TestGaugeFailsTheTestAboveTheLimitAndWithoutCalls(t *testing.T) {
	var gauge Gauge
	require.Contains(t, failures(t, func(tb testing.TB) { gauge.AtMost(tb, 1) }), "saw no call")
	first, second := gauge.Enter(), gauge.Enter()
	first()
	second()
	require.Contains(t, failures(t, func(tb testing.TB) { gauge.AtMost(tb, 1) }), "2 calls were in flight, the limit is 1")
	require.Empty(t, failures(t, func(tb testing.TB) { gauge.AtMost(tb, 2) }))
}
