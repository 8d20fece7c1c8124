package dmapotel

import (
	"context"

	"github.com/go-dmap/dmap/dmap"
)

// failing is a run on many machines. Its items fail on the workers: this process gets no event of
// them, and counts them by their groups.
type failing interface{ Failures() []dmap.FailureGroup }

const classTimeout = "timeout" // dmap.Class of context.DeadlineExceeded

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

// startFailures registers the failures that are known before this process follows the run.
func (r *runMetrics) startFailures(groups []dmap.FailureGroup) {
	r.failed = byClass(groups)
	for _, g := range groups {
		r.base += g.Count
	}
}

// followFailures counts the failures of classes beyond those that the counters have. The caller
// holds mu.
func (r *runMetrics) followFailures(ctx context.Context, groups []dmap.FailureGroup) {
	for class, n := range byClass(groups) {
		r.addFailures(ctx, class, n-r.failed[class])
		r.failed[class] = max(n, r.failed[class])
	}
}

// addOtherFailures counts, at the end, the failures whose class is not known. The caller holds mu.
func (r *runMetrics) addOtherFailures(ctx context.Context, s dmap.Stats) {
	if _, ok := r.run.(failing); !ok || r.ended {
		return
	}
	rest := s.Failed - r.base - r.counted.failed
	r.addFailures(ctx, otherType, rest)
}

func (r *runMetrics) addFailures(ctx context.Context, class string, n int64) {
	if n <= 0 {
		return
	}
	outcome := OutcomeFailed
	if class == classTimeout {
		outcome = OutcomeTimedOut
	}
	r.counted.failed += n
	r.items.Add(ctx, n, r.errorOptions(outcome, errorTypes.ofClass(class))...)
}
