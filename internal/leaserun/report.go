package leaserun

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/transient"
)

// outcome is how the engine has ended.
type outcome struct {
	reason    string // dmap.Stats.Reason; empty: the run has not started
	truncated bool   // Lease.Items are settled
	err       error
}

// fill says in a report what an outcome means. The reason stays empty if the error is one of this
// machine.
func fill(r *lease.Report, o outcome, rest []dmap.Split, asked lease.Reason) {
	r.Rest = rest
	switch {
	case o.reason == "total budget" || o.reason == "enough":
		r.Reason = lease.Spent
	case o.truncated:
		r.Reason = lease.Done
	case o.reason == "succeeded" || o.reason == "held":
		r.Reason, r.Broken, r.Rest = lease.Done, rest, nil
	case o.reason == "tolerance":
		r.Reason = lease.Failures
	case o.reason == "leased":
		if r.Reason = asked; len(rest) == 0 {
			r.Reason = lease.Done
		}
	case o.reason == "source" && guard.Is(o.err, dmap.ErrNoObjects):
		r.Reason, r.Empty, r.Rest = lease.Done, rest, nil
	case Fatal(o.err):
		r.Reason, r.Error = lease.Fatal, guard.Text(o.err, maxError)
	}
}

// maxError bounds the text of the error of a report.
const maxError = 4 << 10

// Fatal reports whether another machine would meet the same error: wrong arguments, another source
// or other options, a store that refuses, a source that cannot be read.
func Fatal(err error) bool {
	if err == nil || guard.Is(err, dmap.ErrFenced) {
		return false
	}
	const exitCall, exitPerson = 64, 78 // of dmap.ExitCode
	if code := dmap.ExitCode(err); code == exitCall || code == exitPerson {
		return true
	}
	if guard.Is(err, dmap.ErrSpecChanged) || guard.Is(err, dmap.ErrInternal) || guard.Is(err, lease.ErrRefused) {
		return true
	}
	source, ok := guard.As[*dmap.SourceError](err)
	if !ok {
		return false
	}
	passes, how := guard.Call(func() bool { return transient.Classify(source.Err) == transient.Transient })
	return !passes || how != ""
}

// rest returns the parts of splits outside of settled intervals.
func rest(splits []dmap.Split, settled []journal.Interval) (out []dmap.Split) {
	remaining := lease.Remaining(settled)
	for _, s := range splits {
		out = append(out, remaining(s)...)
	}
	return out
}
