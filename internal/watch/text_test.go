package watch

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNumbersHaveUnitsAndFewDigits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", -time.Second: "0 s", 900: "0 us", 85 * time.Microsecond: "85 us", 85 * time.Millisecond: "85 ms",
		999600 * time.Microsecond: "1 s", 1440 * time.Millisecond: "1.4 s", 9960 * time.Millisecond: "10 s", 42 * time.Second: "42 s",
		59600 * time.Millisecond: "1 min", 125 * time.Second: "2 min 5 s", time.Hour - time.Millisecond: "1 h",
		200 * time.Minute: "3 h 20 min", 52 * time.Hour: "2 d 4 h", math.MaxInt64: "106752 d",
	} {
		require.Equal(t, want, Duration(d), d)
	}
	for r, want := range map[float64]string{
		0: "0/s", -1: "0/s", math.NaN(): "0/s", math.Inf(1): "0/s", 0.25: "0.3/s", 3.14: "3.1/s", 12345.6: "12,346/s", 1e300: "1,000,000,000,000,000/s",
	} {
		require.Equal(t, want, PerSecond(r))
	}
	for share, want := range map[float64]string{
		0: "0 %", math.NaN(): "0 %", 1e-9: "< 0.1 %", 0.0009: "< 0.1 %", 0.001: "0.1 %", 0.005: "0.5 %", 0.62: "62 %", 0.9996: "99.9 %", 0.999999: "99.9 %", 1: "100 %", 2: "100 %",
	} {
		require.Equal(t, want, Percent(share), share)
	}
	require.Equal(t, "-1,234,567", Count(-1234567))
	require.Equal(t, "1 call", Counted(1, "call"))
	require.Equal(t, "0 calls", Counted(0, "call"))
}
