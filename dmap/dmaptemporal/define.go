package dmaptemporal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/internal/sharedrun"
	"github.com/go-dmap/dmap/sink"
)

// Job is a run as its parameters define it: every worker builds the same.
type Job[T, R any] struct {
	Source dmap.Source[T]
	// Call is the function of an item, Batch that of a batch within Limits: one of them is nil.
	Call   func(ctx context.Context, value T) (R, error)
	Batch  func(ctx context.Context, items []dmap.Item[T]) ([]R, error)
	Limits batch.Limits
	// Options are those of dmap.Map. RunID, MaxConcurrency, Rate, Tolerance and Budget are settings
	// of the run, and so is Redrive if the settings have one: see Settings. Enough and TotalBudget
	// are of all processes of the run. An Observer gets the events of each lease as those of a run.
	Options dmap.Options
	// Sink stores the results. All workers write into the same folder. No other sink can be used.
	Sink *sink.BucketSink[R]
}

// Map is a definition of runs with parameters P. Define makes one.
type Map[P any] struct {
	name string
	open func(ctx context.Context, runID string, params json.RawMessage) (machine, error)
}

// Registered is a Map, for Serve.
type Registered interface {
	definition() (name string, open func(ctx context.Context, runID string, params json.RawMessage) (machine, error))
}

// machine is a sharedrun.Machine without its type parameters.
type machine interface {
	Begin(ctx context.Context, by lease.Starter, again *dmap.Redrive) (sharedrun.Begun, error)
	steps
}

// Define binds a name with a version, such as "loans/v1", to the function that builds a run from
// its parameters. Each worker calls build once for a run: it opens buckets and clients, and returns
// the same source, function and sink on each machine. P goes through JSON, in at most 4 KiB. Runs
// that have begun keep their definition: change the version of the name for another job.
//
// If build returns an error, the worker calls it again. A run that no worker can begin ends as open
// after five errors of build, 15 s, or after eight attempts at workers without a Map of this name,
// two minutes. Later, leases and steps of a worker that cannot build the job, or has no such Map,
// go to other workers: some may be older or younger than the run.
func Define[P, T, R any](name string, build func(ctx context.Context, params P) (Job[T, R], error)) Map[P] {
	return Map[P]{name, func(ctx context.Context, runID string, text json.RawMessage) (machine, error) {
		var params P
		if err := json.Unmarshal(text, &params); err != nil {
			return nil, fmt.Errorf("the parameters of %q: %w", name, err)
		}
		job, err := build(ctx, params)
		if err != nil {
			return nil, &buildError{err}
		}
		job.Options.RunID = runID
		return sharedrun.New(sharedrun.Job[T, R]{
			Job: leaserun.Job[T, R]{
				Source: job.Source, Call: job.Call, Batch: job.Batch, Limits: job.Limits, Options: job.Options,
			},
			Sink: job.Sink,
		})
	}}
}

func (m Map[P]) definition() (name string, open func(ctx context.Context, runID string, params json.RawMessage) (machine, error)) {
	return m.name, m.open
}

// mostParams is the largest size of parameters, in bytes: each lease carries them.
const mostParams = 4 << 10

// encode returns the parameters as the workflow has them.
func (m Map[P]) encode(params P) (json.RawMessage, error) {
	if m.open == nil || m.name == "" {
		return nil, errors.New("dmaptemporal: the Map has no name: make it with Define")
	}
	text, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("dmaptemporal: the parameters of %q have no JSON form, as a function has none: pass names, and let build find the rest: %w", m.name, err)
	}
	if len(text) > mostParams {
		return nil, fmt.Errorf("dmaptemporal: the parameters of %q have %d bytes, more than %d: store them, and pass the key", m.name, len(text), mostParams)
	}
	return text, nil
}
