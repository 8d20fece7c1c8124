package progress

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestProgressLineOmitsUnknownAndZeroFields(t *testing.T) {
	for name, c := range map[string]struct {
		stats dmap.Stats
		total int64
		rate  float64
		want  string
	}{
		"nothing yet":         {dmap.Stats{Limit: 100}, 0, 0, "0 items  0.0/s  0/100 calls"},
		"total unknown":       {dmap.Stats{Succeeded: 1234567, Limit: 10, InFlight: 10}, 0, 12345.6, "1,234,567 items  12,345/s  10/10 calls"},
		"nothing moves":       {dmap.Stats{Succeeded: 5, Limit: 2}, 10, 0, "5/10 items (50 %)  0.0/s  0/2 calls"},
		"time left":           {dmap.Stats{Succeeded: 100, Limit: 2}, 400, 2.5, "100/400 items (25 %)  2.5/s  2m0s left  0/2 calls"},
		"nearly done":         {dmap.Stats{Succeeded: 9}, 10, 100, "9/10 items (90 %)  100/s  1s left  0/0 calls"},
		"no end in sight":     {dmap.Stats{}, math.MaxInt64, 1e-9, "0/9,223,372,036,854,775,807 items (0 %)  0.0/s  2500000h0m0s left  0/0 calls"},
		"all settled":         {dmap.Stats{Succeeded: 9, Skipped: 1}, 10, 5, "10/10 items (100 %)  5.0/s  0/0 calls"},
		"more than the total": {dmap.Stats{Succeeded: 12}, 10, 5, "12/10 items (100 %)  5.0/s  0/0 calls"},
		"all fields": {dmap.Stats{Succeeded: 1, Failed: 2000, InFlight: 3, Limit: 4, Waiting: 5, Stuck: 6, Paused: true, ReadingPaused: true}, 0, 1,
			"2,001 items  1.0/s  2,000 failed  3/4 calls  5 waiting  6 stuck  paused  reading paused: waiting retries"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, progressLine(c.stats, c.total, c.rate)) })
	}
}

func TestFinalLineOmitsZeroCounts(t *testing.T) {
	require.Equal(t, "1,006 items in 1.23s  1,000 succeeded  5 failed  1 skipped  7 pending",
		finalLine(dmap.Stats{Succeeded: 1000, Failed: 5, Skipped: 1, Pending: 7, Elapsed: 1234 * time.Millisecond}))
}

func TestGroupDigitsInsertsCommas(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -999: "-999", -1000: "-1,000"} {
		require.Equal(t, want, groupDigits(n))
	}
}

func TestRateCoversItsWindowOnly(t *testing.T) {
	var r rate
	at := func(elapsed time.Duration, settled int64) float64 {
		return r.add(dmap.Stats{Elapsed: elapsed, Succeeded: settled})
	}
	require.Zero(t, at(0, 0), "no time has passed")
	require.InDelta(t, 100, at(time.Second, 100), 1e-9)
	for s := int64(2); s <= 10; s++ {
		at(time.Duration(s)*time.Second, s*100)
	}
	require.InDelta(t, 80, at(11*time.Second, 1000), 1e-9, "four seconds at 100 items each, then one without")
	for s := 12; s <= 16; s++ {
		at(time.Duration(s)*time.Second, 1000)
	}
	require.Zero(t, at(17*time.Second, 1000))
	require.LessOrEqual(t, len(r.samples), 7)
	require.InDelta(t, 10, at(117*time.Second, 2000), 1e-9, "lines further apart than the window: the rate since the previous line")
}
