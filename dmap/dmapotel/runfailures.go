package dmapotel

import "github.com/go-dmap/dmap/dmap"

// failing is a run on many machines. Its items fail on the workers: this process gets no event of
// them, and counts them by their groups.
type failing interface{ Failures() []dmap.FailureGroup }

const classTimeout = "timeout" // dmap.Class of context.DeadlineExceeded

// manyFailures are the failures of a run on many machines that counters have.
type manyFailures struct {
	known   map[string]int64 // by class, with those of before
	before  int64            // those that were known before this process followed the run
	counted int64
}

// start registers the failures that are known before this process follows the run.
func (f *manyFailures) start(groups []dmap.FailureGroup) {
	f.known = byClass(groups)
	for _, g := range groups {
		f.before += g.Count
	}
}

// follow returns the failures by class beyond those that are counted, and counts them.
func (f *manyFailures) follow(groups []dmap.FailureGroup) map[string]int64 {
	more := map[string]int64{}
	for class, n := range byClass(groups) {
		if n > f.known[class] {
			more[class] = n - f.known[class]
			f.counted += more[class]
			f.known[class] = n
		}
	}
	return more
}

// rest is the number of failures whose class is not known, of all that the run has at its end.
func (f *manyFailures) rest(failed int64) int64 { return failed - f.before - f.counted }

// byClass are the failures of groups, without that of all others, which have no class.
func byClass(groups []dmap.FailureGroup) map[string]int64 {
	out := map[string]int64{}
	for _, g := range groups {
		if g.Class != "" {
			out[g.Class] += g.Count
		}
	}
	return out
}
