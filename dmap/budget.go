package dmap

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Budget limits what the calls of a run may use. A zero field does not limit, and the first one
// that is reached ends the run as incomplete.
//
// No call starts once the use has reached the Budget. Calls in flight then get
// Options.DrainTimeout to return. Stats and the BudgetError have all of their use. A run that needs
// no further call succeeds, also if it has used all of its Budget.
type Budget struct {
	// Calls is a number of calls of the function: attempts and batches. It is never exceeded.
	Calls int64 `json:"calls,omitempty"`
	// Bytes is a sum of Item.Size over the items of all calls. The last call exceeds it by less
	// than its own bytes.
	Bytes int64 `json:"bytes,omitempty"`
	// Time is how long calls may start, from the start of Map on.
	Time time.Duration `json:"time,omitempty"`
	// Units is an amount that the function reports by Spend, such as tokens or cents. Only reported
	// amounts count: later reports of the calls in flight exceed it.
	Units float64 `json:"units,omitempty"`
}

// Usage is how much of a Budget calls have used.
type Usage struct {
	Calls int64
	Bytes int64
	Time  time.Duration
	Units float64
}

// validate returns all that is wrong with b, which is the field name of Options, joined.
func (b Budget) validate(name string) error {
	var errs []error
	check := func(ok bool, field string, value any) {
		if !ok {
			errs = append(errs, fmt.Errorf("dmap: Options.%s.%s %v: want a number that is not negative, or 0 for no limit", name, field, value))
		}
	}
	check(b.Calls >= 0, "Calls", b.Calls)
	check(b.Bytes >= 0, "Bytes", b.Bytes)
	check(b.Time >= 0, "Time", b.Time)
	check(b.Units >= 0 && !math.IsInf(b.Units, 0), "Units", b.Units) // NaN is not >= 0
	return errors.Join(errs...)
}

// reached returns the name of a field that used has reached; empty: there is none.
func (b Budget) reached(used Usage) string {
	switch {
	case b.Calls > 0 && used.Calls >= b.Calls:
		return "Calls"
	case b.Bytes > 0 && used.Bytes >= b.Bytes:
		return "Bytes"
	case b.Units > 0 && used.Units >= b.Units:
		return "Units"
	case b.Time > 0 && used.Time >= b.Time:
		return "Time"
	default:
		return ""
	}
}

// ErrBudget is matched by the error of a run that a Budget has left incomplete: see BudgetError.
var ErrBudget = errors.New("incomplete: budget")

// BudgetError says that a run is incomplete because it has used up a Budget. It matches ErrBudget.
//
// The end by Options.Budget matches ErrOpen, if the run has a journal: the same call continues with
// a fresh Budget. The end by Options.TotalBudget does not: its Field must be raised first.
type BudgetError struct {
	Total  bool   // it is Options.TotalBudget
	Field  string // of the Budget that was reached: "Calls", "Bytes", "Time" or "Units"
	Budget Budget
	Used   Usage // at the end, calls in flight included; of the whole run if Total
}

func (e *BudgetError) Error() string {
	used, of := e.amounts()
	return fmt.Sprintf("%v: %s of %s used (Options.%s)", ErrBudget, used, of, e.option())
}

// option is the field of Options that was reached.
func (e *BudgetError) option() string {
	if e.Total {
		return "TotalBudget." + e.Field
	}
	return "Budget." + e.Field
}

func (e *BudgetError) amounts() (used, of string) {
	switch e.Field {
	case "Calls":
		return strconv.FormatInt(e.Used.Calls, 10), strconv.FormatInt(e.Budget.Calls, 10) + " calls"
	case "Bytes":
		return strconv.FormatInt(e.Used.Bytes, 10), strconv.FormatInt(e.Budget.Bytes, 10) + " bytes"
	case "Time":
		return e.Used.Time.String(), e.Budget.Time.String()
	default:
		return shortest(e.Used.Units), shortest(e.Budget.Units) + " units"
	}
}

// Is reports whether target is ErrBudget.
func (e *BudgetError) Is(target error) bool { return target == ErrBudget }
