package estimate

import (
	"errors"
	"fmt"
	"slices"
)

// Errors of samples that say too little.
var (
	ErrFew  = errors.New("too few items")
	ErrTail = errors.New("a few items take nearly all of it")
	ErrWide = errors.New("the items differ too much")

	ErrNothing = errors.New("no call took any time")
)

// The limits of a sample.
const (
	MinUnits  = 30  // the least number of items
	mostShare = 0.1 // of the largest item in the sum of the sample
	mostRatio = 4   // of the ends of a range
)

// Check refuses values that say too little about their sum.
func Check(values []float64) error {
	if len(values) < MinUnits {
		return fmt.Errorf("%w: %d, want at least %d", ErrFew, len(values), MinUnits)
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	if sum == 0 {
		return ErrNothing
	}
	if largest := slices.Max(values); largest > mostShare*sum {
		return fmt.Errorf("%w: the largest has %.0f %% of the sum of %d", ErrTail, 100*largest/sum, len(values))
	}
	if t := TailOf(values); t.index < leastIndex {
		return fmt.Errorf("%w: the largest tenth has a tail of index %.2f, want at least %v", ErrTail, t.index, leastIndex)
	}
	return nil
}

// CheckWidth refuses a range that is too wide to be of use.
func CheckWidth(r Range) error {
	if r.Low <= 0 && r.High > 0 || r.High > mostRatio*r.Low {
		return fmt.Errorf("%w: between %.3g and %.3g", ErrWide, r.Low, r.High)
	}
	return nil
}
