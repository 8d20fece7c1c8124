package dmaptemporal

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
)

// aMachine stands for a job that is built.
type aMachine struct{ machine }

// fails returns an opener that fails n times in this way, and counts its calls.
func fails(n int32, how func() error) (open opener, calls *atomic.Int32) {
	calls = new(atomic.Int32)
	return func(context.Context, string, json.RawMessage) (machine, error) {
		if calls.Add(1) <= n {
			return nil, how()
		}
		return new(aMachine), nil
	}, calls
}

func builds(open opener) *building { return &newWork(map[string]opener{"square/v1": open}).building }

func noBucket() error { return &buildError{errors.New("no bucket")} }

func TestAJobThatCannotBeBuiltIsBuiltAgain(t *testing.T) {
	run := start(1).Run
	for name, how := range map[string]func() error{"an error": noBucket, "a panic": func() error { panic("no bucket") }} {
		t.Run(name, func(t *testing.T) {
			open, calls := fails(2, how)
			b := builds(open)
			for range 2 {
				_, err := b.open(t.Context(), run)
				require.ErrorContains(t, err, "no bucket")
				require.ErrorContains(t, err, `map "square/v1" cannot be built`)
				require.ErrorAs(t, typed(err), new(*unbuiltError), "the step runs again")
			}
			first, err := b.open(t.Context(), run)
			require.NoError(t, err)
			second, err := b.open(t.Context(), run)
			require.NoError(t, err)
			require.Same(t, first, second)
			require.EqualValues(t, 3, calls.Load())
		})
	}
}

func TestParametersThatAreWrongEndTheRun(t *testing.T) {
	open, _ := fails(1, func() error { return errors.New("the sink is nil") })
	_, err := builds(open).open(t.Context(), start(1).Run)
	var typed *temporal.ApplicationError
	require.ErrorAs(t, err, &typed)
	require.Equal(t, errFatal, typed.Type())
}

func TestALeaseWaitsForItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open, calls := fails(4, noBucket)
		began := time.Now()
		m, err := builds(open).patient(t.Context(), nil, start(1).Run)
		require.NoError(t, err)
		require.NotNil(t, m)
		require.EqualValues(t, 5, calls.Load())
		require.Equal(t, 15*time.Second, time.Since(began))

		open, _ = fails(1000, noBucket)
		began = time.Now()
		_, err = builds(open).patient(t.Context(), nil, start(1).Run)
		require.ErrorContains(t, err, "no bucket")
		require.Equal(t, 31*time.Second, time.Since(began))

		stops := make(chan struct{})
		close(stops)
		began = time.Now()
		_, err = builds(open).patient(t.Context(), stops, start(1).Run)
		require.ErrorContains(t, err, "no bucket")
		other := start(1).Run
		other.Name = "cube/v1"
		_, err = builds(open).patient(t.Context(), nil, other)
		require.ErrorContains(t, err, `this worker has no map "cube/v1": give it to Serve`)
		require.Zero(t, time.Since(began), "another worker may have it")
	})
}

func TestABuildThatDoesNotReturnIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		b := builds(func(context.Context, string, json.RawMessage) (machine, error) {
			calls.Add(1)
			time.Sleep(12 * time.Minute)
			return new(aMachine), nil
		})
		for range 2 {
			_, err := b.patient(t.Context(), nil, start(1).Run)
			require.ErrorContains(t, err, "build has not returned for 5m0s")
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, dmap.ErrCanceled)
		defer cancel()
		_, err := b.open(ctx, start(1).Run)
		require.ErrorIs(t, err, dmap.ErrCanceled)
		_, err = b.open(t.Context(), start(1).Run)
		require.NoError(t, err)
		require.EqualValues(t, 1, calls.Load())
	})
}

func TestAWorkerKeepsTheJobsThatItUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open, calls := fails(0, nil)
		b := builds(open)
		for i := range 3 * mostMachines {
			time.Sleep(time.Second)
			for _, id := range []string{"often", string(rune('a' + i))} {
				_, err := b.open(t.Context(), runRef{RunID: id, Name: "square/v1"})
				require.NoError(t, err)
			}
		}
		require.Len(t, b.built, mostMachines)
		require.EqualValues(t, 1+3*mostMachines, calls.Load())
	})
}

func TestARunThatNoWorkerCanBeginEnds(t *testing.T) {
	for name, c := range map[string]struct {
		name   string
		tries  int32
		within time.Duration
		says   string
	}{
		"an error": {"square/v1", triesOfBuild, 15 * time.Second, "no bucket"},
		"no map":   {"cube/v1", triesOfUnknown, 123 * time.Second, `no map "cube/v1"`},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnvironment()
			open, _ := fails(1000, noBucket)
			register(env, newWork(map[string]opener{"square/v1": open}))
			began, asked := env.Now(), int32(0)
			env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { asked++ })
			in := start(1)
			in.Run.Name = c.name
			env.ExecuteWorkflow(coordinate, in)
			var typed *temporal.ApplicationError
			require.ErrorAs(t, env.GetWorkflowError(), &typed)
			require.Equal(t, errFatal, typed.Type())
			require.ErrorContains(t, typed, c.says)
			require.Equal(t, c.tries, asked)
			require.Equal(t, c.within, env.Now().Sub(began).Round(time.Second))
		})
	}
}

// inTurn are workers, of which each makes the next attempt to begin a run.
type inTurn struct {
	activities
	workers []*work
	asked   atomic.Int32
}

func (w *inTurn) Begin(ctx context.Context, call beginCall) (begun, error) {
	return w.workers[int(w.asked.Add(1)-1)%len(w.workers)].Begin(ctx, call)
}

func TestWorkersWithoutTheMapDoNotCountForItsBuild(t *testing.T) {
	env := newEnvironment()
	failing, _ := fails(1000, noBucket)
	with, without := newWork(map[string]opener{"square/v1": failing}), newWork(nil)
	workers := &inTurn{activities: with, workers: []*work{without, with}}
	register(env, workers)
	env.ExecuteWorkflow(coordinate, start(1))
	require.ErrorContains(t, env.GetWorkflowError(), "no bucket")
	require.EqualValues(t, 2*triesOfBuild, workers.asked.Load())
}

func TestTheEndOfARunSaysByWhatItsLeaseWasLost(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"an error":  {temporal.NewApplicationError("no bucket", ""), "lease 7 was lost 200 times, the last time by: no bucket"},
		"a timeout": {temporal.NewHeartbeatTimeoutError(), "lease 7 was lost 200 times, the last time by: Heartbeat timeout of Temporal"},
		"nothing":   {nil, "lease 7 was lost 200 times"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host{state: &coord.State{}}
			h.lost(c.err, func() {})
			require.Nil(t, h.state.End)
			lose := func() { h.state.Stop(coord.End{Why: coord.Failed, Error: "lease 7 was lost 200 times"}) }
			h.lost(c.err, lose)
			require.Equal(t, c.want, h.state.End.Error)
			h.lost(c.err, lose)
			require.Equal(t, c.want, h.state.End.Error, "only once")
		})
	}
}
