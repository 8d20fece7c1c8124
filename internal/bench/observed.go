package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// observed runs a map with an observer that has every function that runs per call, as metrics and
// traces do: it puts a value into the context of each call, and adds up times. The calls that it
// has seen must be those of the run.
func observed(opts dmap.Options, run func(dmap.Options) (dmap.Stats, error)) (outcome, error) {
	var started, ended, busy atomic.Int64
	opts.Observer = &dmap.Observer{
		CallStarted: func(ctx context.Context, _ dmap.CallStart) context.Context {
			started.Add(1)
			return context.WithValue(ctx, observedKey{}, &busy)
		},
		CallEnded: func(ctx context.Context, e dmap.CallEnd) {
			ended.Add(1)
			ctx.Value(observedKey{}).(*atomic.Int64).Add(int64(e.Elapsed))
		},
	}
	stats, err := run(opts)
	if err == nil && (started.Load() != stats.Calls || ended.Load() != stats.Calls) {
		err = fmt.Errorf("%d calls, but %d were seen to start and %d to end", stats.Calls, started.Load(), ended.Load())
	}
	if err != nil {
		return outcome{}, err
	}
	return outcome{
		Succeeded: stats.Succeeded, Failed: stats.Failed, Counts: map[string]float64{"busy s": time.Duration(busy.Load()).Seconds()},
	}, nil
}

type observedKey struct{}
