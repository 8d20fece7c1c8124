package dmap

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestToleranceIsExceededStrictly(t *testing.T) {
	cases := []struct {
		name       string
		t          Tolerance
		failed, of int64
		ended      bool
		want       bool
	}{
		{"zero tolerates none", Tolerance{}, 1, 1_000_000, false, true},
		{"zero and no failure", Tolerance{}, 0, 10, true, false},
		{"count reached", Tolerance{Count: 3}, 3, 3, false, false},
		{"count exceeded", Tolerance{Count: 3}, 4, 1_000_000, false, true},
		{"percentage waits for its sample", Tolerance{Percentage: 5}, 999, 999, false, false},
		{"percentage at its sample", Tolerance{Percentage: 5}, 51, 1000, false, true},
		{"percentage met exactly", Tolerance{Percentage: 5}, 50, 1000, false, false},
		{"own sample", Tolerance{Percentage: 5, MinItems: 10}, 1, 10, false, true},
		{"no sample needed at the end", Tolerance{Percentage: 5}, 1, 10, true, true},
		{"hundred per cent never", Tolerance{Percentage: 100}, 10, 10, true, false},
		{"either: count", Tolerance{Count: 1, Percentage: 100}, 2, 2, true, true},
		{"either: percentage", Tolerance{Count: 1000, Percentage: 1}, 11, 1000, true, true},
		{"a zero percentage does not limit beside a count", Tolerance{Count: 5}, 5, 5, true, false},
		{"a zero count does not limit beside a percentage", Tolerance{Percentage: 50}, 5, 10, true, false},
		{"fractions", Tolerance{Percentage: 0.1}, 11, 10_000, true, true},
		{"fractions met", Tolerance{Percentage: 0.1}, 10, 10_000, true, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, c.t.exceeded(c.failed, c.of, c.ended)) })
	}
	require.Error(t, Tolerance{Percentage: math.NaN()}.validate())
	require.Equal(t, "none", Tolerance{}.String())
	require.Equal(t, "3 items or 0.5 %", Tolerance{Count: 3, Percentage: 0.5}.String())
}
