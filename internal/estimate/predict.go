// Package estimate predicts what a job of many items takes from a sample of them: sums over all
// items, and the time at a concurrency. It is pure code: random numbers come from the caller.
package estimate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Range is an interval that holds a value with the probability asked for.
type Range struct{ Low, High float64 }

// redraws is the number of resamples of a bootstrap.
const redraws = 600

// Rest predicts the mean of rest further values of the distribution that values are a sample of,
// with the probability level.
//
// It is a studentized bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
// section 12.5) of the prediction error: rest' - mean', in units of sd' * sqrt(1/n + 1/rest), where
// mean' and sd' are those of a resample of the values, and rest' is the mean of rest other draws.
// The studentized form follows skewed distributions, where the symmetric interval of a normal one
// is too low.
func Rest(values []float64, rest float64, level float64, random *rand.Rand) Range {
	n := float64(len(values))
	mean, sd := moments(values)
	if sd == 0 || rest <= 0 {
		return Range{mean, mean}
	}
	scale := math.Sqrt(1/n + 1/rest)
	errs := make([]float64, 0, redraws)
	again := make([]float64, len(values))
	for range redraws {
		resample(again, values, random)
		m, s := moments(again)
		if s == 0 {
			continue
		}
		errs = append(errs, (meanOf(values, rest, mean, sd, random)-m)/(s*scale))
	}
	slices.Sort(errs)
	low, high := mean+quantile(errs, (1-level)/2)*sd*scale, mean+quantile(errs, (1+level)/2)*sd*scale
	return Range{max(low, slices.Min(values)), max(high, upperMean(values, rest, (3+level)/4, random))}
}

// mostDrawn is the number of draws up to which a mean is drawn value by value; that of more values
// is nearly normal.
const mostDrawn = 100

// meanOf draws the mean of n values.
func meanOf(values []float64, n, mean, sd float64, random *rand.Rand) float64 {
	if n > mostDrawn {
		return mean + sd*random.NormFloat64()/math.Sqrt(n)
	}
	var sum float64
	for range int(n) {
		sum += values[random.IntN(len(values))]
	}
	return sum / math.Floor(n)
}

func resample(to, from []float64, random *rand.Rand) {
	for i := range to {
		to[i] = from[random.IntN(len(from))]
	}
}

// moments are the mean and the standard deviation, of which that of equal values is exactly 0.
func moments(values []float64) (mean, sd float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	var squares float64
	same := true
	for _, v := range values {
		squares += (v - mean) * (v - mean)
		same = same && v == values[0]
	}
	if same {
		return values[0], 0
	}
	return mean, math.Sqrt(squares / float64(len(values)-1))
}

// quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
