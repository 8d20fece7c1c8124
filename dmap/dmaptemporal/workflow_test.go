package dmaptemporal

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
)

func resultOf(t *testing.T, env *testsuite.TestWorkflowEnvironment) (r result) {
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, env.GetWorkflowResult(&r))
	return r
}

func TestAThousandLeasesSettleEachItemOnce(t *testing.T) {
	c := newCluster(t, 10_000)
	env := c.environment()
	env.ExecuteWorkflow(coordinate, start(40))
	r := resultOf(t, env)
	require.Equal(t, coord.Done, r.End.Why)
	require.EqualValues(t, 10_000, r.Counts.Succeeded)
	c.requireAll()
	require.GreaterOrEqual(t, len(c.leases), 1000)
	require.Equal(t, []finishCall{{Run: start(40).Run, Era: 4, End: coord.End{Why: coord.Done}, Tolerance: dmap.Tolerance{Percentage: 100}}}, c.finished)
	for _, l := range c.leases {
		require.Equal(t, 4, l.Slots)
		require.EqualValues(t, 4, l.Era)
	}
}

func TestAPlannedSourceIsLeasedInPieces(t *testing.T) {
	c := newCluster(t, 5_000)
	c.plan, c.each = true, 1000
	c.err[planName] = errors.New("the store does not answer")
	env := c.environment()
	env.ExecuteWorkflow(coordinate, start(40))
	require.EqualValues(t, 5_000, resultOf(t, env).Counts.Succeeded)
	c.requireAll()
}

func TestALostLeaseRunsAgainAsItsNextAttempt(t *testing.T) {
	c := newCluster(t, 2_000)
	c.lose = func(l lease.Lease) bool { return l.Lease%3 == 0 && l.Attempt < 3 }
	env := c.environment()
	env.ExecuteWorkflow(coordinate, start(40))
	require.EqualValues(t, 2_000, resultOf(t, env).Counts.Succeeded, "with what lost attempts settled")
	c.requireAll()
	attempts := map[int64]int{}
	for _, l := range c.leases {
		attempts[l.Lease]++
		require.Equal(t, attempts[l.Lease], l.Attempt)
	}
	require.Equal(t, 3, attempts[102])
}

func TestCancelWaitsForLeasesAndFinishes(t *testing.T) {
	c := newCluster(t, 10_000)
	env := c.environment()
	env.RegisterDelayedCallback(env.CancelWorkflow, 12*time.Second)
	env.ExecuteWorkflow(coordinate, start(40))
	require.True(t, env.IsWorkflowCompleted())
	var canceled *temporal.CanceledError
	require.ErrorAs(t, env.GetWorkflowError(), &canceled)
	require.Equal(t, coord.Canceled, c.finished[0].End.Why)
	require.Len(t, c.finished, 1)
	require.Less(t, len(c.leases), 50)
	require.True(t, slices.ContainsFunc(c.orders, func(o ordersCall) bool { return o.Orders.Interrupt }), "calls need not wait for a heartbeat")
	for n := range c.lanes {
		require.True(t, c.absorbed[n], "also of leases that did not report")
	}
}

func TestAPauseAndALimitHoldFromTheirUpdateOn(t *testing.T) {
	c := newCluster(t, 1_000)
	env := c.environment()
	at := func(d time.Duration, do func()) { env.RegisterDelayedCallback(do, d) }
	var paused, resumed, lower int
	count := func(n *int) func() {
		return func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			*n = len(c.leases)
		}
	}
	at(7*time.Second, func() { env.UpdateWorkflowNoRejection(pauseUpdate, "", t, true) })
	at(11*time.Second, count(&paused))
	at(60*time.Second, count(&resumed))
	at(60*time.Second, func() {
		var s stats
		value, err := env.QueryWorkflow(statsQuery)
		require.NoError(t, err)
		require.NoError(t, value.Get(&s))
		require.True(t, s.Control.Paused)
		require.Empty(t, s.Open)
	})
	at(61*time.Second, func() { env.UpdateWorkflowNoRejection(limitUpdate, "", t, 8) })
	at(62*time.Second, func() { env.UpdateWorkflowNoRejection(pauseUpdate, "", t, false) })
	at(86*time.Second, count(&lower))
	env.ExecuteWorkflow(coordinate, start(40))
	require.EqualValues(t, 1_000, resultOf(t, env).Counts.Succeeded)
	require.Positive(t, paused)
	require.Equal(t, paused, resumed, "no lease starts while the run is paused")
	require.Equal(t, 2*4, lower-resumed, "two leases at once, of 5 s, in 24 s")
	require.NotEmpty(t, c.orders)
	for i, o := range c.orders {
		require.EqualValues(t, i+1, o.Version)
	}
	require.True(t, slices.ContainsFunc(c.orders, func(o ordersCall) bool { return o.Orders.Paused }))
}

func TestAnUpdateThatTheRunCannotHaveIsRejected(t *testing.T) {
	c := newCluster(t, 100)
	env := c.environment()
	var rejected []error
	reject := &testsuite.TestUpdateCallback{
		OnReject: func(err error) { rejected = append(rejected, err) },
		OnAccept: func() { t.Error("accepted") }, OnComplete: func(any, error) {},
	}
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(limitUpdate, "", reject, 0)
		env.UpdateWorkflow(toleranceUpdate, "", reject, dmap.Tolerance{Percentage: 101})
		env.UpdateWorkflow(rateUpdate, "", reject, dmap.Rate{Calls: -1})
	}, time.Second)
	env.ExecuteWorkflow(coordinate, start(40))
	resultOf(t, env)
	require.Len(t, rejected, 3)
}

func TestSplitsThatALeaseGivesBackAreReadMeanwhile(t *testing.T) {
	c := newCluster(t, 80)
	c.takes, c.each = time.Hour, 5
	env := c.environment()
	env.RegisterDelayedCallback(func() { // the first lease has the first ten items, and reads five of them
		first := lease.Ref{Lease: 100, Attempt: 1, Era: 4}
		env.SignalWorkflow(shedSignal, lease.Shed{Ref: first, Rest: []dmap.Split{numbers(5, 10)}})
		env.SignalWorkflow(shedSignal, lease.Shed{Ref: first, Rest: []dmap.Split{numbers(5, 10)}})
	}, time.Minute)
	var at time.Duration
	began := env.Now()
	env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.leases) == 0 {
			at = env.Now().Sub(began)
		}
	})
	env.ExecuteWorkflow(coordinate, start(40))
	require.EqualValues(t, 80, resultOf(t, env).Counts.Succeeded)
	require.Equal(t, time.Minute, at, "the ninth lease starts when the first one still has calls in flight")
	c.requireAll()
}

func TestAToleranceEndsTheRun(t *testing.T) {
	c := newCluster(t, 10_000)
	c.fails = func(i int64) bool { return i%10 == 0 }
	env := c.environment()
	in := start(40)
	in.Control.Tolerance = dmap.Tolerance{Count: 100}
	env.ExecuteWorkflow(coordinate, in)
	r := resultOf(t, env)
	require.Equal(t, coord.Tolerance, r.End.Why)
	require.Greater(t, r.Counts.Failed, int64(100))
	require.LessOrEqual(t, r.Counts.Failed, int64(100+10), "one for each lease in flight")
	require.Equal(t, coord.Tolerance, c.finished[0].End.Why)
}

func TestALongHistoryContinuesAsNewWithoutLeases(t *testing.T) {
	c := newCluster(t, 3_000)
	in, runs := start(40), 0
	for {
		env := c.environment()
		if runs < 3 {
			env.RegisterDelayedCallback(func() { env.SetCurrentHistoryLength(maxEvents) }, 32*time.Second)
		}
		env.ExecuteWorkflow(coordinate, in)
		require.True(t, env.IsWorkflowCompleted())
		runs++
		var again *workflow.ContinueAsNewError
		if !errors.As(env.GetWorkflowError(), &again) {
			require.EqualValues(t, 3_000, resultOf(t, env).Counts.Succeeded)
			break
		}
		in = input{}
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
		require.Zero(t, in.State.InFlight())
		require.False(t, in.State.Draining)
	}
	require.Equal(t, 4, runs)
	c.requireAll()
	require.Len(t, c.finished, 1)
	require.True(t, slices.ContainsFunc(c.orders, func(o ordersCall) bool { return o.Orders.All }), "leases are asked back")
}

func TestWhoIsFencedDoesNotFinish(t *testing.T) {
	c := newCluster(t, 10_000)
	c.err[absorbName] = fenced()
	env := c.environment()
	env.ExecuteWorkflow(coordinate, start(40))
	require.True(t, env.IsWorkflowCompleted())
	var typed *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &typed)
	require.Equal(t, errFenced, typed.Type())
	require.Empty(t, c.finished)
}

func TestAStoreThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	c := newCluster(t, 300)
	for _, name := range []string{beginName, absorbName, finishName} {
		c.err[name] = errors.New("the store does not answer")
	}
	env := c.environment()
	env.ExecuteWorkflow(coordinate, start(40))
	require.EqualValues(t, 300, resultOf(t, env).Counts.Succeeded)
	require.Len(t, c.finished, 1)
	c.requireAll()
}

func TestSuspendGivesLeasesBackAndLeavesTheRunOpen(t *testing.T) {
	for name, at := range map[string]time.Duration{"while it begins": 0, "while it runs": 12 * time.Second} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 10_000)
			env := c.environment()
			env.RegisterDelayedCallback(func() { env.UpdateWorkflowNoRejection(suspendUpdate, "", t) }, at)
			env.ExecuteWorkflow(coordinate, start(40))
			r := resultOf(t, env)
			require.Equal(t, coord.Suspended, r.End.Why)
			require.Len(t, c.finished, 1)
			require.Equal(t, coord.Suspended, c.finished[0].End.Why, "for its records")
			require.Less(t, len(c.leases), 50)
			for n := range c.lanes {
				require.True(t, c.absorbed[n])
			}
		})
	}
}

func TestTheEndOfARunThatStaysOpenHasItsCounts(t *testing.T) {
	c := newCluster(t, 300)
	c.err[finishName] = temporal.NewNonRetryableApplicationError("2 items wait", errOpen, nil)
	env := c.environment()
	env.ExecuteWorkflow(coordinate, start(40))
	var typed *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &typed)
	require.Equal(t, errOpen, typed.Type())
	var r result
	require.NoError(t, typed.Details(&r))
	require.EqualValues(t, 300, r.Counts.Succeeded)
	require.Equal(t, coord.Done, r.End.Why)
}
