package dmap

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// defaultMinItems is the sample that S3 Batch Operations waits for before it judges a percentage.
const defaultMinItems = 1000

// Tolerance says how many items may fail before the run does. The zero Tolerance tolerates none.
// Otherwise a zero field does not limit, and to exceed either limit (strictly) fails the run.
//
// A percentage is compared exactly, as the decimal number that it is written as: 2.3 tolerates
// 2,300 of 100,000 items. While the source is being read a percentage is of the settled items, and
// is judged once there are MinItems of them. Once the source has ended it is of all items. (Step
// Functions lists first, so it always knows the total.)
type Tolerance struct {
	Count      int64   `json:"count,omitempty"`
	Percentage float64 `json:"percentage,omitempty"` // 0 to 100; 100 tolerates every failure
	MinItems   int64   `json:"minItems,omitempty"`   // 0: 1000
	// BrokenObjects is the number of objects that may break off (BrokenObjectError), at most
	// 10,000. The other fields do not change it: 0 tolerates none. More fail the run when it has
	// processed everything else.
	BrokenObjects int64 `json:"brokenObjects,omitempty"`
}

func (t Tolerance) validate() error {
	var errs []error
	if t.Count < 0 {
		errs = append(errs, fmt.Errorf("dmap: Options.Tolerance.Count %d is negative", t.Count))
	}
	if !(t.Percentage >= 0 && t.Percentage <= 100) { // also catches NaN
		errs = append(errs, fmt.Errorf("dmap: Options.Tolerance.Percentage %v: want 0 to 100", t.Percentage))
	}
	if t.BrokenObjects < 0 || t.BrokenObjects > maxBrokenObjects {
		errs = append(errs, fmt.Errorf("dmap: Options.Tolerance.BrokenObjects %d: want 0 to %d", t.BrokenObjects, maxBrokenObjects))
	}
	if t.MinItems < 0 {
		errs = append(errs, fmt.Errorf("dmap: Options.Tolerance.MinItems %d is negative", t.MinItems))
	}
	return errors.Join(errs...)
}

// exceeded judges failed failures among of items: those settled while the source is read, all of
// them when it has ended.
func (t Tolerance) exceeded(failed, of int64, ended bool) bool {
	if t.Count == 0 && t.Percentage == 0 {
		return failed > 0
	}
	if t.Count > 0 && failed > t.Count {
		return true
	}
	enough := ended || of >= t.minItems()
	return t.Percentage > 0 && enough && moreThanPercent(failed, of, t.Percentage)
}

// moreThanPercent reports whether failed is more than percentage per cent of of. The percentage is
// the decimal number as it is written: 2.3 is 23/10, not the nearest binary fraction.
func moreThanPercent(failed, of int64, percentage float64) bool {
	if whole := int64(percentage); float64(whole) == percentage && max(failed, of) < math.MaxInt64/100 {
		return failed*100 > of*whole
	}
	got, limit := float64(failed)*100, float64(of)*percentage
	if margin := 1e-9 * (got + limit); math.Abs(got-limit) > margin { // far beyond the rounding of both
		return got > limit
	}
	allowed, ok := new(big.Rat).SetString(shortest(percentage))
	if !ok { // not a finite number, which validate refuses
		return got > limit
	}
	allowed.Mul(allowed, new(big.Rat).SetInt64(of))
	share := new(big.Rat).SetInt64(failed)
	return share.Mul(share, big.NewRat(100, 1)).Cmp(allowed) > 0
}

// shortest is the shortest decimal number that is read as f.
func shortest(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (t Tolerance) minItems() int64 {
	if t.MinItems == 0 {
		return defaultMinItems
	}
	return t.MinItems
}

// String returns the limits, such as "10 items or 5 %".
func (t Tolerance) String() string {
	var limits []string
	if t.Count > 0 {
		limits = append(limits, fmt.Sprintf("%d items", t.Count))
	}
	if t.Percentage > 0 {
		limits = append(limits, shortest(t.Percentage)+" %")
	}
	if len(limits) == 0 {
		return "none"
	}
	return strings.Join(limits, " or ")
}
