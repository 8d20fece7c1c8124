package tolerance

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLimitsAreExceededStrictly(t *testing.T) {
	cases := []struct {
		name       string
		t          Limits
		failed, of int64
		ended      bool
		want       bool
	}{
		{"zero tolerates none", Limits{}, 1, 1_000_000, false, true},
		{"zero and no failure", Limits{}, 0, 10, true, false},
		{"count reached", Limits{Count: 3}, 3, 3, false, false},
		{"count exceeded", Limits{Count: 3}, 4, 1_000_000, false, true},
		{"percentage waits for its sample", Limits{Percentage: 5}, 999, 999, false, false},
		{"percentage at its sample", Limits{Percentage: 5}, 51, 1000, false, true},
		{"percentage met exactly", Limits{Percentage: 5}, 50, 1000, false, false},
		{"own sample", Limits{Percentage: 5, MinItems: 10}, 1, 10, false, true},
		{"no sample needed at the end", Limits{Percentage: 5}, 1, 10, true, true},
		{"hundred per cent never", Limits{Percentage: 100}, 10, 10, true, false},
		{"either: count", Limits{Count: 1, Percentage: 100}, 2, 2, true, true},
		{"either: percentage", Limits{Count: 1000, Percentage: 1}, 11, 1000, true, true},
		{"a zero percentage does not limit beside a count", Limits{Count: 5}, 5, 5, true, false},
		{"a zero count does not limit beside a percentage", Limits{Percentage: 50}, 5, 10, true, false},
		{"fractions", Limits{Percentage: 0.1}, 11, 10_000, true, true},
		{"fractions met", Limits{Percentage: 0.1}, 10, 10_000, true, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, c.t.Exceeded(c.failed, c.of, c.ended)) })
	}
}

// Products of these percentages and counts are not exact in binary floating point.
func TestAPercentageThatIsMetExactlyIsNotExceeded(t *testing.T) {
	for _, c := range []struct {
		percentage string
		failed, of int64
	}{
		{"2.3", 2_300, 100_000}, {"0.07", 7, 10_000}, {"1.1", 11, 1_000}, {"4.35", 435, 10_000}, {"8.2", 82, 1_000},
		{"16.1", 161, 1_000}, {"0.000001", 1, 100_000_000}, {"33.3", 333, 1_000}, {"99.9", 999, 1_000}, {"57.9", 579, 1_000},
		{"29", 29, 100}, {"2.3", 230_000_000_000_000, 10_000_000_000_000_000}, {"1e-7", 1, 1_000_000_000},
		{"1e-300", 0, math.MaxInt64}, {"2", 1 << 57, 50 << 57}, {"100", math.MaxInt64 - 1, math.MaxInt64 - 1},
	} {
		percentage, err := strconv.ParseFloat(c.percentage, 64)
		require.NoError(t, err)
		limits := Limits{Percentage: percentage}
		require.False(t, limits.Exceeded(c.failed, c.of, true), c)
		require.True(t, limits.Exceeded(c.failed+1, c.of, true), c)
		require.True(t, c.failed == 0 || limits.Exceeded(c.failed, c.of-1, true), c)
	}
	for tenths := int64(1); tenths < 1000; tenths++ { // every percentage with one decimal
		percentage, err := strconv.ParseFloat(fmt.Sprintf("%d.%d", tenths/10, tenths%10), 64)
		require.NoError(t, err)
		require.False(t, Limits{Percentage: percentage}.Exceeded(tenths*100, 100_000, true), percentage)
		require.True(t, Limits{Percentage: percentage}.Exceeded(tenths*100+1, 100_000, true), percentage)
	}
}
