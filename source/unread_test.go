package source_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A run is interrupted when it has settled late splits but not an early one. Another process
// resumes it, and is canceled before it has planned the late splits again. Unread then contains
// neither settled nor pending items.
func TestUnreadLeavesOutItemsThatEarlierProcessesSettled(t *testing.T) {
	const n = 3000
	bucket := memory(t, map[string]string{"rows.csv": numbered(n)})
	open := func() dmap.Source[[]string] {
		return source.Divide(source.CSV(bucket, "rows.csv", source.Strings), 2000)
	}
	seen := map[string]int{}
	process := func(opts dmap.Options, src dmap.Source[[]string], call func(ctx context.Context, cancel context.CancelCauseFunc, id int) error) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var got sink.Memory[int]
		var run *dmap.Run
		ready := make(chan struct{})
		run, err := dmap.Start(ctx, src, func(ctx context.Context, row []string) (int, error) {
			id, err := strconv.Atoi(row[0])
			if err != nil {
				return 0, err
			}
			<-ready
			return id, call(ctx, func(cause error) {
				if cause != dmap.ErrSuspended { // it ends the run
					run.Cancel(cause)
				}
				cancel(cause)
			}, id)
		}, opts, sink.Bucket[int](bucket, "runs/"), &got)
		if err != nil {
			return err
		}
		close(ready)
		_, err = run.Wait()
		for _, r := range got.Results() {
			if r.Err == nil {
				seen[r.ID()]++
			}
		}
		return err
	}
	var calls atomic.Int64
	first := func(ctx context.Context, cancel context.CancelCauseFunc, id int) error {
		if calls.Add(1) == n/2 {
			cancel(dmap.ErrSuspended)
		}
		if id < 10 { // of the first split
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	opts := dmap.Options{RunID: "a", MaxConcurrency: 20, DrainTimeout: 50 * time.Millisecond}
	require.ErrorIs(t, process(opts, open(), first), dmap.ErrSuspended)
	why := errors.New("never mind")
	opts.MaxConcurrency = 1
	require.ErrorIs(t, process(opts, open(), func(ctx context.Context, cancel context.CancelCauseFunc, _ int) error {
		cancel(why)
		return ctx.Err()
	}), why)

	manifest := "runs/a/manifest-000.json"
	rest := source.Concat(source.Pending[[]string](bucket, manifest), source.Unread(open(), bucket, manifest))
	require.NoError(t, process(dmap.Options{RunID: "b", Parent: "a"}, rest, func(context.Context, context.CancelCauseFunc, int) error { return nil }))
	for id, times := range seen {
		require.Equal(t, 1, times, id)
	}
	require.Len(t, seen, n)
}
