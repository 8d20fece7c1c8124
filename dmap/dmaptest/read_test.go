package dmaptest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSomePicksAllOfFewAndTheCriticalOnesOfMany(t *testing.T) {
	require.Empty(t, some(0))
	for _, n := range []int{1, 2, 199, 200} {
		require.Len(t, some(n), n)
	}
	for _, n := range []int{201, 1100, 4500, 100_000} {
		picked := some(n)
		require.True(t, slices.IsSorted(picked))
		require.Len(t, slices.Compact(slices.Clone(picked)), len(picked), "%d: each once", n)
		require.LessOrEqual(t, len(picked), 80, n)
		require.Subset(t, picked, []int{0, 1, 2, n - 3, n - 2, n - 1}, n)
		widest := 0
		for i, at := range picked[1:] {
			widest = max(widest, at-picked[i])
		}
		require.LessOrEqual(t, widest, n/32+1, "%d: no part is left out", n)
	}
	require.Subset(t, some(4500), []int{998, 999, 1000, 1998, 1999, 2000, 2998, 2999, 3000})
}
