package e2e

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// crashForm is one form of the runs of the crash programme.
type crashForm struct {
	Input  string  // kind of the source, see formSource
	Limits []int   // MaxConcurrency of the processes, in turn
	Batch  int     // items of a batch; 0: Map
	Scale  float64 // of DMAP_CRASH_ITEMS; 0: 1
	Fast   bool    // calls take no time, so that many items share a chunk
	Kills  killTiming
	Twist  twist
}

// killTiming says when the processes of a run are killed, and with which options they run.
type killTiming string

const (
	// eachLife kills each process at the same age, with the default options.
	eachLife killTiming = "at 2.5 s"
	// beforeCommit kills the first processes before their first commit, with the default options.
	beforeCommit killTiming = "before a commit"
	// anyStep kills at random steps and times, with short commit windows.
	anyStep killTiming = "at any step"
)

// killedAge is the age of a process at its kill by eachLife. A process that lives for that time
// must make calls and commit results.
const killedAge = 2500 * time.Millisecond

// twist is what else happens to the run.
type twist string

const (
	untwisted   twist = ""
	waiting     twist = "retries wait"      // some items wait for their retry for a while
	interrupted twist = "contexts end"      // the contexts of processes end, which may be killed while they stop
	redriven    twist = "chain of redrives" // the run fails three times, and each time the next process redrives it
)

// crashForms are all forms. Those before a commit and at 2.5 s have the default options.
func crashForms() []crashForm {
	const (
		few  = 0.1 // for one call at once, and for objects
		many = 4   // for batches with many calls at once, and for fast calls
	)
	return []crashForm{
		{Input: "slice", Limits: []int{1}, Scale: few, Kills: eachLife},
		{Input: "slice", Limits: []int{100}, Kills: eachLife},
		{Input: "slice", Limits: []int{1000}, Kills: eachLife},
		{Input: "seq", Limits: []int{10}, Kills: eachLife},
		{Input: "flatten", Limits: []int{1}, Scale: few, Kills: eachLife},
		{Input: "flatten", Limits: []int{100}, Kills: eachLife},
		{Input: "flatten", Limits: []int{1000}, Kills: eachLife},
		{Input: "flatten", Limits: []int{100}, Batch: 7, Kills: eachLife},
		{Input: "large csv", Limits: []int{100}, Kills: eachLife},
		{Input: "large csv", Limits: []int{1000}, Batch: 3, Scale: many, Kills: eachLife},
		{Input: "large jsonlines", Limits: []int{1000}, Kills: eachLife},
		{Input: "large jsonlines", Limits: []int{100}, Batch: 25, Scale: many, Kills: eachLife},
		{Input: "concat", Limits: []int{100}, Kills: eachLife},
		{Input: "concat", Limits: []int{1000}, Batch: 3, Scale: many, Kills: eachLife},
		{Input: "csv.gz", Limits: []int{100}, Kills: eachLife},
		{Input: "flatten .gz", Limits: []int{1000}, Kills: eachLife},
		{Input: "objects", Limits: []int{100}, Scale: few, Kills: eachLife},
		{Input: "large csv", Limits: []int{100, 1, 1000}, Kills: eachLife},
		{Input: "flatten", Limits: []int{1000, 1, 100}, Kills: eachLife},
		{Input: "concat", Limits: []int{1, 1000, 100}, Batch: 5, Kills: eachLife},
		{Input: "flatten", Limits: []int{100}, Kills: eachLife, Twist: waiting},
		{Input: "large jsonlines", Limits: []int{100}, Batch: 8, Kills: eachLife, Twist: waiting},

		{Input: "slice", Limits: []int{1}, Scale: few, Kills: beforeCommit},
		{Input: "flatten", Limits: []int{100}, Kills: beforeCommit},
		{Input: "large csv", Limits: []int{100}, Kills: beforeCommit},
		{Input: "large jsonlines", Limits: []int{1000}, Batch: 10, Kills: beforeCommit},
		{Input: "concat", Limits: []int{1000}, Kills: beforeCommit},
		{Input: "csv.gz", Limits: []int{100}, Kills: beforeCommit},
		{Input: "flatten .gz", Limits: []int{100}, Batch: 7, Kills: beforeCommit},

		{Input: "flatten", Limits: []int{100}, Kills: beforeCommit, Twist: interrupted},
		{Input: "large csv", Limits: []int{100, 1000}, Batch: 10, Kills: anyStep, Twist: interrupted},
		{Input: "concat", Limits: []int{100}, Kills: eachLife, Twist: interrupted},

		{Input: "slice", Limits: []int{32, 64, 128}, Kills: anyStep, Twist: waiting},
		{Input: "seq", Limits: []int{32}, Batch: 11, Kills: anyStep},
		{Input: "csv", Limits: []int{64}, Kills: anyStep},
		{Input: "jsonlines", Limits: []int{128}, Batch: 30, Kills: anyStep, Twist: waiting},
		{Input: "flatten", Limits: []int{100, 1, 1000}, Kills: anyStep},
		{Input: "large csv", Limits: []int{1, 1000, 100}, Batch: 8, Kills: anyStep},
		{Input: "concat", Limits: []int{100, 10}, Kills: anyStep},
		{Input: "flatten .gz", Limits: []int{64}, Batch: 20, Kills: anyStep},
		{Input: "objects", Limits: []int{64, 32}, Scale: few, Kills: anyStep},

		{Input: "slice", Limits: []int{8}, Scale: many, Fast: true, Kills: anyStep, Twist: interrupted},
		{Input: "jsonlines", Limits: []int{16}, Scale: many, Fast: true, Kills: anyStep, Twist: waiting},
		{Input: "csv", Limits: []int{4, 100}, Scale: many, Fast: true, Kills: anyStep},

		{Input: "slice", Limits: []int{16}, Kills: anyStep, Twist: redriven},
		{Input: "flatten", Limits: []int{16, 100}, Kills: anyStep, Twist: redriven},
		{Input: "large csv", Limits: []int{100}, Batch: 9, Kills: anyStep, Twist: redriven},
		{Input: "concat", Limits: []int{100}, Kills: anyStep, Twist: redriven},
		{Input: "csv.gz", Limits: []int{64}, Kills: anyStep, Twist: redriven},
	}
}

func (f crashForm) defaults() bool { return f.Kills != anyStep }

// unlucky defines which numbers fail for good. With the default options none may.
func (f crashForm) unlucky(n int) bool { return !f.defaults() && f.Twist != redriven && fails(n) }

func (f crashForm) String() string {
	var s strings.Builder
	s.WriteString(f.Input)
	for i, limit := range f.Limits {
		fmt.Fprintf(&s, "%s%d", [...]string{" ", "/"}[min(i, 1)], limit)
	}
	if f.Batch > 0 {
		fmt.Fprintf(&s, " x %d", f.Batch)
	}
	if f.Fast {
		s.WriteString(" fast")
	}
	s.WriteString(", " + string(f.Kills))
	if f.Twist != untwisted {
		s.WriteString(", " + string(f.Twist))
	}
	return s.String()
}

// callTime is the time of a call for which n items take whole at the highest limit. A call that
// takes long would leave a process of killedAge no time for several.
func (f crashForm) callTime(n int, whole time.Duration) time.Duration {
	if f.Fast {
		return 0
	}
	calls := n / max(1, f.Batch)
	return min(max(time.Millisecond, whole*time.Duration(slices.Max(f.Limits))/time.Duration(calls)), 400*time.Millisecond)
}

// endPlan is when and how a process ends.
type endPlan struct {
	age     time.Duration // at the kill; 0: not by time
	step    string        // start of the step of the kill, "": any
	nth     int           // which of these steps; 0: not by step
	stop    time.Duration // age at which the process is asked to stop; 0: it is not
	suspend bool          // to stop by SIGTERM and dmap.SuspendOn, not by the end of its context
}

// plan chooses the end of a process. age is that of a kill by eachLife.
func (f crashForm) plan(dice *rand.Rand, age time.Duration) (p endPlan) {
	switch {
	case f.Kills == eachLife:
		p.age = age
	case f.Kills == beforeCommit && dice.IntN(4) == 0:
		p.step, p.nth = "wrote", 1 // run.json, or the record that takes the run over
	case f.Kills == beforeCommit:
		p.step, p.nth = fmt.Sprintf("calls %d", 1<<dice.IntN(7)), 1
	case dice.IntN(2) == 0:
		p.nth = 1 + dice.IntN(40)
	default:
		p.age = time.Duration(20+dice.IntN(1200)) * time.Millisecond
	}
	if f.Twist == interrupted && dice.IntN(2) == 0 {
		p.stop = time.Duration(200+dice.IntN(1800)) * time.Millisecond
		if f.Fast { // the run would have ended
			p.stop /= 6
		}
		p.suspend = dice.IntN(2) == 0
		p.step, p.nth, p.age = "", 0, 0
		if dice.IntN(2) == 0 { // while it stops
			p.age = p.stop + time.Duration(dice.IntN(150))*time.Millisecond
		}
	}
	return p
}

// inFlight bounds the items whose calls may have begun and that no sink has got yet.
func (f crashForm) inFlight(limit int) int {
	if f.Fast {
		return limit * 64 // the largest chunk
	}
	return limit * max(1, f.Batch)
}

// items is the number of items of a run of the form.
func (f crashForm) items(n int) int { return int(cmp.Or(f.Scale, 1) * float64(n)) }
