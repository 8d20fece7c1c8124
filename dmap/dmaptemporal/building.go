package dmaptemporal

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/scrub"
)

type opener func(ctx context.Context, runID string, params json.RawMessage) (machine, error)

// unbuiltError is why this worker has no job for a run. Another one may have it, or this one later.
type unbuiltError struct {
	text      string
	unknown   bool // the worker has no map of that name
	elsewhere bool // the next try is better made by another worker
}

func (e *unbuiltError) Error() string { return e.text }

// buildError is an error of the function of Define.
type buildError struct{ error }

func (e *buildError) Unwrap() error { return e.error }

// Attempts to begin a run, the time between which grows to a minute.
const (
	triesOfBuild   = 5 // 15 s: most errors are those of parameters
	triesOfUnknown = 8 // two minutes: in a deployment some workers have a new map and some have not
)

// unbuilt counts the attempts to begin a run that found no job. Those at workers without the map
// say nothing about its parameters.
type unbuilt struct {
	Unknown int `json:"unknown,omitempty"` // the worker has no map of that name
	Failed  int `json:"failed,omitempty"`
}

func (u unbuilt) plus(err *unbuiltError) unbuilt {
	if err.unknown {
		u.Unknown++
	} else {
		u.Failed++
	}
	return u
}

// enough reports whether the run ends.
func (u unbuilt) enough() bool { return u.Unknown >= triesOfUnknown || u.Failed >= triesOfBuild }

// building keeps the jobs that a worker has built, by run. It keeps no error.
type building struct {
	definitions map[string]opener
	flights     singleflight.Group

	mu    sync.Mutex
	built map[string]*built // guarded by mu
}

type built struct {
	machine machine
	used    time.Time
}

// Limits of the jobs of a worker.
const (
	mostMachines = 64              // that are kept
	buildTime    = 5 * time.Minute // for one, before the step fails; the next step waits for the same
)

// open returns the machine of a run. The error is an *unbuiltError, or ends the run.
func (b *building) open(ctx context.Context, run runRef) (machine, error) {
	open := b.definitions[run.Name]
	if open == nil {
		return nil, &unbuiltError{text: fmt.Sprintf("this worker has no map %q: give it to Serve", run.Name), unknown: true, elsewhere: true}
	}
	key := run.RunID + "\n" + run.Name + "\n" + string(run.Params)
	if m := b.find(key); m != nil {
		return m, nil
	}
	flight := b.flights.DoChan(key, func() (any, error) {
		m, err := build(context.WithoutCancel(ctx), open, run)
		if err == nil {
			b.keep(key, m)
		}
		return m, err
	})
	late := time.NewTimer(buildTime)
	defer late.Stop()
	select {
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(machine), nil
	case <-late.C:
		return nil, &unbuiltError{text: fmt.Sprintf("map %q: build has not returned for %v", run.Name, buildTime), elsewhere: true}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// build calls the function of Define, which may panic.
func build(ctx context.Context, open opener, run runRef) (m machine, err error) {
	failed := func(says string) error {
		return &unbuiltError{text: scrub.Text(fmt.Sprintf("map %q cannot be built: %s", run.Name, says), mostText)}
	}
	defer func() {
		if p := recover(); p != nil {
			err = failed("build " + string(guard.Panicked(p)))
		}
	}()
	m, err = open(ctx, run.RunID, run.Params)
	if by, ok := guard.As[*buildError](err); ok {
		return nil, failed(guard.Text(by.error, mostText))
	}
	if err != nil {
		return nil, fatal(fmt.Errorf("map %q: %w", run.Name, err))
	}
	return m, nil
}

func (b *building) find(key string) machine {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.built[key]
	if m == nil {
		return nil
	}
	m.used = time.Now()
	return m.machine
}

// keep forgets the machine that has not been used for the longest time, if there are too many.
func (b *building) keep(key string, m machine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.built[key] = &built{m, time.Now()}
	if len(b.built) <= mostMachines {
		return
	}
	oldest := key
	for k, m := range b.built {
		if m.used.Before(b.built[oldest].used) {
			oldest = k
		}
	}
	delete(b.built, oldest)
}

// patient is open for a lease, of which an attempt ends with this call: for half a minute the
// worker builds the job again after an error, so that it does not lose one lease after another.
func (b *building) patient(ctx context.Context, stops <-chan struct{}, run runRef) (machine, error) {
	for pause := time.Second; ; pause *= 2 {
		m, err := b.open(ctx, run)
		failed, again := guard.As[*unbuiltError](err)
		if !again || failed.elsewhere || pause > 16*time.Second {
			return m, err
		}
		select {
		case <-time.After(pause):
		case <-stops:
			return nil, err
		case <-ctx.Done():
			return nil, err
		}
	}
}
