// Command observe prints what happens in a run: a span for each call, inside that of the run, and
// the counts of an observer beside those of the run.
//
//	go run ./examples/howto/observe
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer) error {
	m := &meter{}
	stats, err := dmap.Map(ctx, source.Slice([]string{"ann", "bob", "cleo"}), greet, dmap.Options{
		MaxConcurrency: 1,
		Retry:          dmap.Retry{MaxAttempts: 2, Initial: time.Second, NoJitter: true},
		Observer:       dmap.JoinObservers(traces(w), m.observer()),
	})
	fmt.Fprintf(w, "observed %d calls, %d retries; the run counts %d and %d\n", m.calls.Load(), m.retries.Load(), stats.Calls, stats.Retries)
	return err
}

// meter counts events, as the counters of a metrics library do.
type meter struct{ calls, retries, busy atomic.Int64 }

func (m *meter) observer() *dmap.Observer {
	return &dmap.Observer{
		CallEnded: func(_ context.Context, e dmap.CallEnd) {
			m.calls.Add(1)
			m.busy.Add(int64(e.Elapsed))
		},
		RetryScheduled: func(context.Context, dmap.RetryEvent) { m.retries.Add(1) },
	}
}

type spanKey struct{}

// traces prints a span for the run and one for each call inside it. A tracing library puts its span
// into the context in the same way.
func traces(w io.Writer) *dmap.Observer {
	return &dmap.Observer{
		RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context {
			fmt.Fprintln(w, "run begins, resumed:", e.Resumed)
			return context.WithValue(ctx, spanKey{}, "run")
		},
		CallStarted: func(ctx context.Context, e dmap.CallStart) context.Context {
			span := fmt.Sprintf("%v/item %d, attempt %d", ctx.Value(spanKey{}), e.Index, e.Attempt)
			return context.WithValue(ctx, spanKey{}, span)
		},
		CallEnded: func(ctx context.Context, e dmap.CallEnd) {
			fmt.Fprintf(w, "%v: %v\n", ctx.Value(spanKey{}), e.Err)
		},
		RunEnded: func(_ context.Context, e dmap.RunEnd) {
			fmt.Fprintln(w, "run ends:", e.Stats.State, e.Stats.Reason)
		},
	}
}

// greet fails at the first attempt for "bob". Its own spans, and those of the clients that it
// calls with ctx, are inside that of the call.
func greet(ctx context.Context, name string) (string, error) {
	if info, _ := dmap.InfoFrom(ctx); name == "bob" && info.Attempt == 1 {
		return "", errors.New("busy")
	}
	return "hello " + name, nil
}
