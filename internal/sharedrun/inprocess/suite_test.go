package inprocess_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/enginetest"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/internal/sharedrun"
	"github.com/go-dmap/dmap/internal/sharedrun/inprocess"
)

// hosted is a run of a host.
type hosted struct {
	*inprocess.Host[string, string]
	ended chan struct{}
	err   error // once ended is closed
	kill  func()
}

func (h *hosted) Wait() error { <-h.ended; return h.err }
func (h *hosted) SetMaxConcurrency(n int) error {
	return h.Set(func(c *coord.Control) { c.Limit = n })
}
func (h *hosted) SetRate(r dmap.Rate) error { return h.Set(func(c *coord.Control) { c.Rate = r }) }
func (h *hosted) SetTolerance(t dmap.Tolerance) error {
	return h.Set(func(c *coord.Control) { c.Tolerance = t })
}
func (h *hosted) Pause() error  { return h.Set(func(c *coord.Control) { c.Paused = true }) }
func (h *hosted) Resume() error { return h.Set(func(c *coord.Control) { c.Paused = false }) }
func (h *hosted) Cancel() error { h.Host.Cancel(); return nil }
func (h *hosted) Kill()         { h.kill() }

// machines work on each run: the first one is the host's, and does not die alone.
const machines = 12

func start(t *testing.T, j *enginetest.Job) (enginetest.Run, error) {
	var all []*sharedrun.Machine[string, string]
	var processes []*enginetest.Machine
	for n := range machines {
		m := j.Machine()
		if n == 0 {
			j.Keep(m)
		}
		job := leaserun.Job[string, string]{Source: m.Source, Call: m.Call, Batch: m.Batch, Limits: m.Limits, Options: m.Options}
		machine, err := sharedrun.New(sharedrun.Job[string, string]{Job: job, Sink: m.Sink})
		if err != nil {
			return nil, err
		}
		all, processes = append(all, machine), append(processes, m)
	}
	o := j.Options
	control := coord.Control{Limit: o.MaxConcurrency, PerLease: j.PerLease, Rate: o.Rate, Tolerance: o.Tolerance, Budget: o.Budget}
	ctx, cancel := context.WithCancel(t.Context())
	h := &hosted{Host: inprocess.New(control, all...), ended: make(chan struct{})}
	h.kill = func() {
		for _, m := range processes {
			m.Kill()
		}
		cancel()
	}
	t.Cleanup(func() { cancel(); <-h.ended })
	go func() {
		defer close(h.ended)
		end, err := h.Run(ctx)
		if h.err = err; end != nil && err == nil {
			h.err = end.Err
		}
	}()
	return h, nil
}

func TestAHostPassesTheSuiteOfEngines(t *testing.T) {
	enginetest.TestSuite(t, enginetest.Engine{Start: start, Tick: time.Second, Machines: machines, Slack: 4, Refuses: []enginetest.Ability{
		enginetest.Sequences,
	}})
}
