package estimate_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/estimate"
)

func lognormal(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }

func draws(n int, r *rand.Rand, law func(*rand.Rand) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = law(r)
	}
	return out
}

func mean(values []float64) (m float64) {
	for _, v := range values {
		m += v / float64(len(values))
	}
	return m
}

// The ranges of means of further values hold them, of few further values and of many. Those of the
// level 0.95 are used as ranges of 90 %.
func TestRangesHoldTheRestOfAJob(t *testing.T) {
	for _, rest := range []int{3, 100, 5000} {
		held, given := 0, 0
		for job := range uint64(100) {
			r := rand.New(rand.NewPCG(job, 1))
			sample, further := draws(200, r, lognormal), draws(rest, r, lognormal)
			if estimate.Check(sample) != nil {
				continue
			}
			given++
			if got := estimate.Rest(sample, float64(rest), 0.95, r); got.Low <= mean(further) && mean(further) <= got.High {
				held++
			}
		}
		t.Logf("%d further values: %d of %d", rest, held, given)
		require.GreaterOrEqual(t, held, given*90/100)
	}
}

func TestEqualValuesHaveExactRanges(t *testing.T) {
	values := draws(50, nil, func(*rand.Rand) float64 { return 0.1 })
	r := rand.New(rand.NewPCG(1, 1))
	require.NoError(t, estimate.Check(values))
	require.Equal(t, estimate.Range{Low: 0.1, High: 0.1}, estimate.Rest(values, 1000, 0.95, r))
	got := estimate.Time(values, estimate.Range{Low: 1005, High: 1005}, 10, 0.95, r)
	require.InEpsilon(t, 10.1, got.Low, 0.01)
	require.InEpsilon(t, 10.1, got.High, 0.01)
}

func TestWhatIsTooLittleIsRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	one := func(*rand.Rand) float64 { return 1 }
	require.ErrorIs(t, estimate.Check(nil), estimate.ErrFew)
	require.ErrorIs(t, estimate.Check(draws(29, r, one)), estimate.ErrFew)
	require.ErrorIs(t, estimate.Check(make([]float64, 30)), estimate.ErrNothing)
	require.ErrorIs(t, estimate.Check(append(draws(99, r, one), 20)), estimate.ErrTail)
	pareto := func(r *rand.Rand) float64 { return 1 / (1 - r.Float64()) } // its mean is infinite
	require.ErrorIs(t, estimate.Check(draws(1000, r, pareto)), estimate.ErrTail)
	require.ErrorIs(t, estimate.CheckWidth(estimate.Range{Low: 1, High: 4.1}), estimate.ErrWide)
	require.ErrorIs(t, estimate.CheckWidth(estimate.Range{High: 1}), estimate.ErrWide)
	require.NoError(t, estimate.CheckWidth(estimate.Range{Low: 1, High: 4}))
}

// The time of a simulated run lies between the two bounds that Graham proves.
func TestTheMakespanLiesBetweenItsBounds(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		slots, n := 1+r.IntN(20), r.IntN(100)
		var largest float64
		span, sum := estimate.Makespan(func() float64 {
			v := lognormal(r)
			largest = max(largest, v)
			return v
		}, n, slots)
		require.GreaterOrEqual(t, span*(1+1e-9), max(largest, sum/float64(slots)))
		require.LessOrEqual(t, span, (sum/float64(slots)+largest)*(1+1e-9))
	}
	next := 0
	values := []float64{3, 1, 1, 2}
	span, sum := estimate.Makespan(func() float64 { next++; return values[next-1] }, 4, 2)
	require.InDelta(t, 4, span, 0)
	require.InDelta(t, 7, sum, 0)
}

func TestTheTailOfAParetoLawIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	pareto := func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1/2.0) }
	values := draws(100_000, r, pareto)
	tail := estimate.TailOf(values)
	require.InEpsilon(t, 2, tail.Index(), 0.1)
	require.True(t, math.IsInf(estimate.TailOf(draws(5, r, pareto)).Index(), 1))
	require.True(t, math.IsInf(estimate.TailOf(make([]float64, 100)).Index(), 1))
}
