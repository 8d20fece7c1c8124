package estimate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Tail is the largest values of a sample as a Pareto law above a threshold.
type Tail struct {
	share     float64 // of the values
	threshold float64
	index     float64 // of the law: the mean is infinite up to 1
}

// TailOf estimates the tail by the estimator of Hill (A Simple General Approach to Inference About
// the Tail of a Distribution, Annals of Statistics 3, 1975). Laws with a lighter tail, such as
// lognormal ones, get a tail that is too heavy: an upper end is then too high, never too low.
//
// The index of values that tell no tail is +Inf.
func TailOf(values []float64) Tail {
	sorted := slices.Sorted(slices.Values(values))
	return tailOf(sorted)
}

// Index is the exponent of the law: the mean is infinite up to 1.
func (t Tail) Index() float64 { return t.index }

// tailShares are the shares of the values that may make the tail. The one with the lightest tail
// counts: a law with a bound, or with two modes, looks heavy in the larger share only.
var tailShares = [...]float64{0.1, 0.03} //nolint:gochecknoglobals // constants

func tailOf(sorted []float64) (lightest Tail) {
	for _, share := range tailShares {
		if t := hill(sorted, max(leastTail, int(share*float64(len(sorted))))); t.index > lightest.index {
			lightest = t
		}
	}
	return lightest
}

// leastTail is the least number of values that tell a tail.
const leastTail = 10

// hill is the tail of the k largest values.
func hill(sorted []float64, k int) Tail {
	n := len(sorted)
	if n <= k || sorted[n-k-1] <= 0 {
		return Tail{index: math.Inf(1)}
	}
	t := Tail{share: float64(k) / float64(n), threshold: sorted[n-k-1]}
	var logs float64
	for _, v := range sorted[n-k:] {
		logs += math.Log(v / t.threshold)
	}
	t.index = float64(k) / logs
	return t
}

// draw returns a value: one of the sample, or of the tail.
func (t Tail) draw(values []float64, random *rand.Rand) float64 {
	v := values[random.IntN(len(values))]
	if v <= t.threshold || math.IsInf(t.index, 1) || t.share == 0 {
		return v
	}
	return max(t.threshold, t.threshold*math.Pow(1-random.Float64(), -1/t.index))
}

// mean is that of the law of draw, for sorted values.
func (t Tail) mean(sorted []float64) float64 {
	k := int(math.Round(t.share * float64(len(sorted))))
	var body float64
	for _, v := range sorted[:len(sorted)-k] {
		body += v
	}
	if k == 0 {
		return body / float64(len(sorted))
	}
	if math.IsInf(t.index, 1) {
		return (body + float64(k)*t.threshold) / float64(len(sorted))
	}
	return (body + float64(k)*t.threshold*t.index/(t.index-1)) / float64(len(sorted))
}

// leastIndex is the index below which a tail is too heavy for a mean.
const leastIndex = 1.6

// upperMean is the quantile q of the mean with the tail, over resamples.
func upperMean(values []float64, rest float64, q float64, random *rand.Rand) float64 {
	again := make([]float64, len(values))
	_, sd := moments(values)
	means := make([]float64, 0, redraws/2)
	for range redraws / 4 {
		resample(again, values, random)
		slices.Sort(again)
		t := tailOf(again)
		t.index = max(t.index, leastIndex)
		means = append(means, t.mean(again)+sd*random.NormFloat64()/math.Sqrt(rest))
	}
	slices.Sort(means)
	return quantile(means, q)
}
