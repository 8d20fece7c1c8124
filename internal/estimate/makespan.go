package estimate

import (
	"math/rand/v2"
	"slices"
)

// Makespan is the time that slots workers take for n values, each of which goes to the first worker
// that is free (list scheduling: Graham, Bounds on Multiprocessing Timing Anomalies, 1969). It is
// at least sum/slots, and at most that plus the largest value.
func Makespan(next func() float64, n, slots int) (span, sum float64) {
	free := make(times, min(n, slots))
	for range n {
		v := next()
		sum += v
		free.add(v)
	}
	if len(free) > 0 {
		span = slices.Max(free)
	}
	return span, sum
}

// times is a heap of the times at which workers are free.
type times []float64

// add gives the first free worker an item.
func (t times) add(v float64) {
	at, i := t[0]+v, 0
	for {
		child := 2*i + 1
		if child >= len(t) {
			break
		}
		if child+1 < len(t) && t[child+1] < t[child] {
			child++
		}
		if t[child] >= at {
			break
		}
		t[i] = t[child]
		i = child
	}
	t[i] = at
}

// The size of the simulations.
const (
	mostRounds = 100    // items per slot: after these the end of a run does not depend on its start
	mostSteps  = 200000 // of all simulations for one concurrency
	mostSpans  = 200
	leastSpans = 40
)

// End is the time that the end of a run takes beyond sum/slots, when workers have no items any
// more: quantiles of simulations, the low one with draws from values, the high one with draws from
// their tail, too. Of n items at most mostRounds per slot matter.
func End(values []float64, n float64, slots int, level float64, random *rand.Rand) Range {
	rounds := min(mostRounds, max(20, mostSteps/slots/leastSpans))
	items := int(min(n, float64(rounds*slots)))
	if items <= 0 {
		return Range{}
	}
	tail := TailOf(values)
	low := spans(items, slots, func() float64 { return values[random.IntN(len(values))] })
	high := spans(items, slots, func() float64 { return tail.draw(values, random) })
	return Range{quantile(low, (1-level)/2), max(quantile(low, (1+level)/2), quantile(high, (1+level)/2))}
}

// spans are the sorted ends of simulated runs.
func spans(items, slots int, draw func() float64) []float64 {
	out := make([]float64, min(max(mostSteps/items, leastSpans), mostSpans))
	for i := range out {
		span, sum := Makespan(draw, items, slots)
		out[i] = span - sum/float64(slots)
	}
	slices.Sort(out)
	return out
}

// rounding is the relative error of sums.
const rounding = 1e-9

// Time predicts how long slots workers take for all items, of which there are between all.Low and
// all.High, and values are the times of a sample. The calls of the run are others than those of the
// sample, also for the same items.
func Time(values []float64, all Range, slots int, level float64, random *rand.Rand) Range {
	mean := Rest(values, max(all.Low, float64(len(values))), level, random)
	end := End(values, all.Low, slots, level, random)
	low, high := all.Low*mean.Low/float64(slots)+end.Low, all.High*mean.High/float64(slots)+end.High
	return Range{low * (1 - rounding), high * (1 + rounding)}
}
