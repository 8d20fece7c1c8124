package dmap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/journal"
)

// Spend reports that the call of ctx has used units, such as tokens or cents, for the Units of
// Options.Budget and Options.TotalBudget. It may be called any number of times, from any goroutine
// of the call, also by batch functions, and while the call runs: the sooner, the less is used
// beyond the budget. Reports after the end of the run do not count.
//
// In a run inside a call it counts for the inner run only: its Stats.Units can be reported to the
// outer one. The error says that ctx is not of a call, or that units is negative, infinite or NaN.
func Spend(ctx context.Context, units float64) error {
	call, ok := ctx.(*callContext)
	if !ok {
		call, ok = ctx.Value(infoKey{}).(*callContext)
	}
	if !ok {
		return errors.New("dmap: Spend: the context is not that of a call")
	}
	if !(units >= 0) || math.IsInf(units, 0) { // also catches NaN
		return fmt.Errorf("dmap: Spend: %v units: want a number that is not negative", units)
	}
	call.task.spending.spend(units)
	return nil
}

// spending adds up what the calls of a run use, and holds it against the budgets.
type spending struct {
	clock         runClock
	budget, total Budget
	limited       bool // by either

	mu      sync.Mutex // guards the fields below
	before  Usage      // of earlier processes
	calls   int64      // that have started; only counted if limited
	bytes   int64      // of them
	units   sum        // that were reported
	fresh   sum        // of units, those that no commit has
	reached bool       // a budget is used up

	full chan struct{} // closed when a budget is used up
}

func newSpending(opts Options, clock runClock) *spending {
	return &spending{
		clock: clock, budget: opts.Budget, total: opts.TotalBudget,
		limited: opts.Budget != Budget{} || opts.TotalBudget != Budget{}, full: make(chan struct{}),
	}
}

// resume starts with what earlier processes have used.
func (s *spending) resume(n journal.Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = Usage{Calls: n.Calls + n.Interrupted, Bytes: n.Bytes, Time: n.Elapsed, Units: n.Units}
}

// start counts a call that starts with this number of bytes. It returns an error, and counts
// nothing, if a budget is used up.
func (s *spending) start(bytes int64) *BudgetError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.exceeded(); err != nil {
		return err
	}
	s.calls++
	s.bytes = journal.AddBytes(s.bytes, bytes)
	s.look()
	return nil
}

func (s *spending) spend(units float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units.add(units)
	s.fresh.add(units)
	if s.limited {
		s.look()
	}
}

// look closes full when a budget is used up; mu is held.
func (s *spending) look() {
	if !s.reached && s.exceeded() != nil {
		s.reached = true
		close(s.full)
	}
}

// over returns the error of the budget that is used up, nil if none is.
func (s *spending) over() *BudgetError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exceeded()
}

// exceeded is over; mu is held. The total comes first: after it another call is of no use.
func (s *spending) exceeded() *BudgetError {
	used := s.used()
	if field := s.total.reached(s.whole(used)); field != "" {
		return &BudgetError{Total: true, Field: field, Budget: s.total, Used: s.whole(used)}
	}
	if field := s.budget.reached(used); field != "" {
		return &BudgetError{Field: field, Budget: s.budget, Used: used}
	}
	return nil
}

// used is what this process has used; mu is held.
func (s *spending) used() Usage {
	u := Usage{Calls: s.calls, Bytes: s.bytes, Units: s.units.value()}
	if s.budget.Time > 0 || s.total.Time > 0 {
		u.Time = s.clock.now()
	}
	return u
}

// whole is what the run has used, of which this process has used some.
func (s *spending) whole(some Usage) Usage {
	return Usage{
		Calls: s.before.Calls + some.Calls, Bytes: journal.AddBytes(s.before.Bytes, some.Bytes), Time: s.before.Time + some.Time,
		Units: journal.AddUnits(s.before.Units, some.Units),
	}
}

// final returns err with the use at the end.
func (s *spending) final(err *BudgetError) *BudgetError {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := *err
	out.Used = s.used()
	out.Used.Time = s.clock.now()
	if out.Total {
		out.Used = s.whole(out.Used)
	}
	return &out
}

// totalUnits are the units that were reported in the whole run.
func (s *spending) totalUnits() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return journal.AddUnits(s.before.Units, s.units.value())
}

// uncommitted returns the units that no commit has yet; from now on one has.
func (s *spending) uncommitted() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	units := s.fresh.value()
	s.fresh = sum{}
	return units
}

// timeLeft is how long calls may start. ok is false if no budget limits that.
func (s *spending) timeLeft() (left time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left = math.MaxInt64
	if s.budget.Time > 0 {
		left, ok = s.budget.Time-s.clock.now(), true
	}
	if s.total.Time > 0 {
		left, ok = min(left, s.total.Time-s.before.Time-s.clock.now()), true
	}
	return max(0, left), ok
}

// sum is a sum of numbers that are not negative. It carries what a float64 would drop (Neumaier,
// "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974): ten times 0.1
// reaches a budget of 1.
type sum struct{ high, low float64 }

func (s *sum) add(n float64) {
	high := s.high + n
	if math.IsInf(high, 0) {
		s.high, s.low = math.MaxFloat64, 0
		return
	}
	if s.high >= n {
		s.low += (s.high - high) + n
	} else {
		s.low += (n - high) + s.high
	}
	s.high = high
}

func (s *sum) value() float64 { return min(s.high+s.low, math.MaxFloat64) }
