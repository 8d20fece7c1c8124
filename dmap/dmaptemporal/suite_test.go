package dmaptemporal_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/internal/enginetest"
)

// onServer is a run on a server, with workers of its own.
type onServer struct {
	*dmaptemporal.Run
	t       *testing.T
	client  client.Client
	job     *enginetest.Job
	serving sync.WaitGroup
	stop    func()

	mu      sync.Mutex
	dead    bool
	workers []*enginetest.Machine
}

// Wait also stops the workers: those of a later process may have other options.
func (r *onServer) Wait() error {
	_, err := r.Run.Wait()
	r.stop()
	r.serving.Wait()
	return err
}

func (r *onServer) Pause() error  { r.Run.Pause(); return nil }
func (r *onServer) Resume() error { r.Run.Resume(); return nil }
func (r *onServer) Cancel() error { r.Run.Cancel(nil); return nil }

func (r *onServer) Kill() {
	r.mu.Lock()
	r.dead = true
	workers := r.workers
	r.mu.Unlock()
	for _, m := range workers {
		m.Kill()
	}
	if err := r.client.TerminateWorkflow(context.WithoutCancel(r.t.Context()), "dmap/"+r.ID(), "", "killed"); err != nil {
		r.t.Error(err)
	}
}

// suiteMap is the map of a worker.
func suiteMap(m *enginetest.Machine) dmaptemporal.Map[struct{}] {
	return dmaptemporal.Define("suite/v1", func(context.Context, struct{}) (dmaptemporal.Job[string, string], error) {
		return dmaptemporal.Job[string, string]{
			Source: m.Source, Call: m.Call, Batch: m.Batch, Limits: m.Limits, Options: m.Options, Sink: m.Sink,
		}, nil
	})
}

// serve starts a worker. One that dies is replaced.
func (r *onServer) serve(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead || ctx.Err() != nil {
		return
	}
	m := r.job.Machine()
	r.workers = append(r.workers, m)
	alive, die := context.WithCancel(ctx)
	r.serving.Go(func() {
		select {
		case <-m.Dead:
			die()
			r.serve(ctx)
		case <-ctx.Done():
			die()
		}
	})
	r.serving.Go(func() {
		if err := dmaptemporal.Serve(alive, r.client, r.job.ID, suiteMap(m)); err != nil {
			r.t.Error(err)
		}
	})
}

const suiteWorkers = 3

func startOn(c client.Client) func(t *testing.T, j *enginetest.Job) (enginetest.Run, error) {
	return func(t *testing.T, j *enginetest.Job) (enginetest.Run, error) {
		o := j.Options
		run, err := suiteMap(&enginetest.Machine{}).Start(t.Context(), c, j.ID, j.ID, struct{}{}, dmaptemporal.Settings{
			MaxConcurrency: o.MaxConcurrency, PerLease: j.PerLease, Rate: o.Rate, Tolerance: o.Tolerance, Budget: o.Budget,
			Redrive: o.Redrive, Beat: 3 * time.Second,
		})
		if err != nil {
			return nil, err
		}
		r := &onServer{Run: run, t: t, client: c, job: j}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		r.stop = cancel
		t.Cleanup(func() { cancel(); r.serving.Wait() })
		for range suiteWorkers {
			r.serve(ctx)
		}
		return r, nil
	}
}

func TestTheSuiteOfEnginesOnAServer(t *testing.T) {
	enginetest.TestSuite(t, enginetest.Engine{
		Start: startOn(server(t)), Tick: 50 * time.Millisecond, Real: true, Machines: suiteWorkers, Slack: 70,
		Refuses: []enginetest.Ability{
			enginetest.Sequences,
		},
	})
}
