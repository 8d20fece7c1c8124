package dmap

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAToleranceIsCheckedAndPrinted(t *testing.T) {
	require.Error(t, Tolerance{Percentage: math.NaN()}.validate())
	require.Equal(t, "none", Tolerance{}.String())
	require.Equal(t, "3 items or 0.5 %", Tolerance{Count: 3, Percentage: 0.5}.String())
}

func TestAToleranceIsPrintedAsItIsJudged(t *testing.T) {
	require.Equal(t, "2.3 %", Tolerance{Percentage: 2.3}.String())
	require.Equal(t, "0.0000001 %", Tolerance{Percentage: 1e-7}.String())
	require.Equal(t, "33.333333333333336 %", Tolerance{Percentage: 100. / 3}.String())
}
