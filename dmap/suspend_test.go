package dmap_test

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestASuspendedRunLetsItsCallsComeBackAndIsResumed(t *testing.T) {
	for name, suspend := range map[string]func(run *dmap.Run, cancel context.CancelCauseFunc){
		"Suspend": func(run *dmap.Run, _ context.CancelCauseFunc) { run.Suspend() },
		"context": func(_ *dmap.Run, cancel context.CancelCauseFunc) { cancel(dmap.ErrSuspended) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				opts := dmap.Options{RunID: "r", MaxConcurrency: 10, DrainTimeout: 5 * time.Second}
				slow := func(ctx context.Context, i int) (int, error) {
					wait := 2 * time.Second
					if i == 9 {
						wait = time.Hour
					}
					select {
					case <-time.After(wait):
						return i, nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				}
				run, err := dmap.Start(ctx, numbers(15), slow, opts, &page{}, &d)
				require.NoError(t, err)
				time.Sleep(time.Second)
				began := time.Now()
				suspend(run, cancel)
				stats, err := run.Wait()
				require.ErrorIs(t, err, dmap.ErrSuspended)
				require.Equal(t, 5*time.Second, time.Since(began), "the call that takes an hour is interrupted")
				require.EqualValues(t, 9, stats.Succeeded)
				require.Zero(t, stats.Failed)
				require.Len(t, d.counted(t), 9)

				stats, err = dmap.Map(t.Context(), numbers(15), double, opts, &page{}, &d)
				require.NoError(t, err)
				require.EqualValues(t, 15, stats.Succeeded)
				require.EqualValues(t, 9+6, stats.Calls, "the interrupted call is no attempt")
				require.Len(t, d.counted(t), 15)
			})
		})
	}
}

func TestSuspendOnEndsTheContextWhenASignalArrives(t *testing.T) {
	ctx, stop := dmap.SuspendOn(t.Context(), syscall.SIGUSR1)
	defer stop()
	require.NoError(t, ctx.Err())
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Signal(syscall.SIGUSR1))
	<-ctx.Done()
	require.ErrorIs(t, context.Cause(ctx), dmap.ErrSuspended)
}

func TestSuspendOnStops(t *testing.T) {
	ctx, stop := dmap.SuspendOn(t.Context(), syscall.SIGUSR2)
	stop()
	require.ErrorIs(t, context.Cause(ctx), context.Canceled)
}
