// Package enginetest is the suite that every engine of a run passes: dmap.Map in one process, and
// the hosts of a run that many machines share. Each case compares a run with a plain loop over its
// source, or with the end of the same job by dmap.Map. It looks only at stored objects.
//
// It is for this module: nobody else can write an engine.
package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Engine runs jobs in one of the ways that dmap has.
type Engine struct {
	// Start begins or continues the job's run. The error is one of wrong arguments: nothing has
	// begun.
	Start func(t *testing.T, j *Job) (Run, error)
	// Tick is the time of a usual call.
	Tick time.Duration
	// Real says that the engine needs the time of the world. The others run in testing/synctest.
	Real bool
	// Machines is how many machines work on a run. With more than one a machine may die and the run
	// continues.
	Machines int
	// Refuses has the abilities that the engine lacks. It must say so by an error that names
	// dmap.Map, which has all of them.
	Refuses []Ability
	// Slack is how many ticks after an edit it holds for all machines.
	Slack int
}

// Run is a run in progress.
type Run interface {
	// Wait waits for the end of the run, or of its process. The error is that of dmap.Map.
	Wait() error
	SetMaxConcurrency(n int) error
	SetRate(r dmap.Rate) error
	SetTolerance(t dmap.Tolerance) error
	Pause() error
	Resume() error
	Cancel() error
	// Failures are the failed items in groups, while the run works and at its end: those that are
	// stored, a little later. Groups that are no longer among the largest may be in one of ID
	// "other".
	Failures() []dmap.FailureGroup
	// Kill kills all processes of the run, its host included, as kill -9 does. Wait returns then.
	Kill()
}

// Ability is something that not every engine can do.
type Ability string

// The abilities that an engine may lack.
const (
	Sequences Ability = "source.Seq" // a source that cannot seek
)

// can reports whether the engine has an ability.
func (e Engine) can(a Ability) bool {
	for _, r := range e.Refuses {
		if r == a {
			return false
		}
	}
	return true
}

// ticks is n times the time of a usual call.
func (e Engine) ticks(n int) time.Duration { return time.Duration(n) * e.Tick }

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
