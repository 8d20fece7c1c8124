package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheEstimateIsARangeByTheLatestRates(t *testing.T) {
	now := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	e := Estimate(Work{Now: now, Left: 19_200, Rates: []float64{12, 10, 8}})
	require.True(t, e.Known)
	require.Equal(t, now.Add(32*time.Minute), e.About)
	require.Equal(t, "done about 14:32 (14:26 to 14:40)", e.Text(now))
	require.Equal(t, "done about 14:00:30", Estimate(Work{Now: now, Left: 300, Rates: []float64{10, 10}}).Text(now))
	e = Estimate(Work{Now: now, Left: 100, Rates: []float64{0, 10, 8}})
	require.True(t, e.Late.IsZero())
	require.Contains(t, e.Text(now), "or much later")
	require.Equal(t, "done about Nov 28 14:00", Estimate(Work{Now: now, Left: 48 * 3600, Rates: []float64{1}}).Text(now))
	far := Estimate(Work{Now: now, Left: 36_000, Rates: []float64{10, 10, 0.5}})
	require.Equal(t, "done about Nov 26 15:00 (Nov 26 15:00 to Nov 27 10:00)", far.Text(now))
	require.Equal(t, "done about 14:00:07", Estimate(Work{Now: now, Left: 0, Tail: 7 * time.Second}).Text(now)[:len("done about 14:00:07")])
}

func TestNoEstimateIsGivenWhereNoneIsSound(t *testing.T) {
	now := time.Now()
	for want, w := range map[string]Work{
		"No estimate: the run is paused.":                            {Now: now, Left: 5, Rates: []float64{1}, Halted: "the run is paused"},
		"No estimate while the source is still read":                 {Now: now, Left: 5, Rates: []float64{1}, Open: true},
		"No estimate yet: it needs some seconds of work.":            {Now: now, Left: 5},
		"No estimate: no item has settled lately, 1,000 items left.": {Now: now, Left: 1000, Rates: []float64{0, 0}},
	} {
		e := Estimate(w)
		require.False(t, e.Known)
		require.Contains(t, e.Text(now), want)
	}
	far := Estimate(Work{Now: now, Left: 1 << 62, Rates: []float64{1e-9}})
	require.Equal(t, now.Add(maxLeft), far.About, "no overflow")
}
