package dmap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/internal/tolerance"
)

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

// limits are what internal/tolerance judges.
func (t Tolerance) limits() tolerance.Limits {
	return tolerance.Limits{Count: t.Count, Percentage: t.Percentage, MinItems: t.MinItems}
}

// shortest is the shortest decimal number that is read as f.
func shortest(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

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
