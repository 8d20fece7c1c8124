package dmaptemporal

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// cluster stands for the workers of a run over numbers, and for its bucket.
type cluster struct {
	t     *testing.T
	items int64
	each  int64         // items that a lease processes
	takes time.Duration // in virtual time
	lose  func(lease.Lease) bool
	fails func(item int64) bool
	err   map[string]error // of activities other than leases, once
	plan  bool

	mu       sync.Mutex
	lanes    map[int64]journal.Counts // of leases
	settled  []int                    // how often
	leases   []lease.Lease
	absorbed map[int64]bool
	orders   []ordersCall
	finished []finishCall
}

func newCluster(t *testing.T, items int64) *cluster {
	return &cluster{
		t: t, items: items, each: 10, takes: 5 * time.Second, lanes: map[int64]journal.Counts{}, settled: make([]int, items),
		absorbed: map[int64]bool{}, err: map[string]error{},
		lose: func(lease.Lease) bool { return false }, fails: func(int64) bool { return false },
	}
}

var _ activities = (*cluster)(nil)

// register has one worker carry out all activities.
func register(r worker.ActivityRegistry, a activities) {
	registerSteps(r, a)
	registerLeases(r, a)
}

func numbers(from, to int64) dmap.Split {
	return dmap.Split{ID: "n", From: dmap.Cursor{Offset: from}, To: dmap.Cursor{Offset: to}}
}

func (c *cluster) fault(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.err[name]
	delete(c.err, name)
	return err
}

func (c *cluster) Begin(context.Context, beginCall) (begun, error) {
	if err := c.fault(beginName); err != nil {
		return begun{}, err
	}
	b := begun{Era: 4, Next: 100, Planned: c.plan}
	for i := int64(0); i < 8 && !c.plan; i++ {
		b.Pieces = append(b.Pieces, numbers(i*c.items/8, (i+1)*c.items/8))
	}
	return b, nil
}

func (c *cluster) Plan(_ context.Context, call planCall) (coord.Page, error) {
	if err := c.fault(planName); err != nil {
		return coord.Page{}, err
	}
	page := coord.Page{Task: call.Task.Task}
	at := int64(0)
	if call.Task.After != nil {
		at = call.Task.After.From.Offset
	}
	for len(page.Pieces) < call.Task.Pieces && at < c.items {
		to := min(at+call.Task.Items, c.items)
		page.Pieces = append(page.Pieces, coord.Piece{Split: numbers(at, to), Items: to - at})
		at = to
	}
	next := numbers(at, c.items)
	page.Next, page.Done = &next, at == c.items
	return page, nil
}

// Lease settles the first items of its splits. A lost one has settled some of them.
func (c *cluster) Lease(_ context.Context, call leaseCall) (lease.Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := call.Lease
	c.leases = append(c.leases, l)
	n := c.lanes[l.Lease]
	lost := c.lose(l)
	r := lease.Report{Ref: l.Ref, Reason: lease.Done, Worked: c.takes}
	left := c.each
	if lost {
		left = 3
	}
	for _, s := range l.Splits {
		from := s.From.Offset
		for ; from < s.To.Offset && left > 0 && !l.Exceeded(n.Failed, n.Read); from++ {
			if c.settled[from] > 0 && l.Attempt > 1 {
				continue // by an earlier lane of the lease
			}
			left--
			c.settled[from]++
			n.Read, n.Taken, n.Calls = n.Read+1, n.Taken+1, n.Calls+1
			if c.fails(from) {
				n.Failed++
			} else {
				n.Succeeded++
			}
		}
		if from < s.To.Offset {
			r.Rest = append(r.Rest, numbers(from, s.To.Offset))
			r.Reason = lease.Late
		}
	}
	c.lanes[l.Lease] = n
	if r.Counts = n; lost {
		return lease.Report{}, errors.New("the worker is gone")
	}
	return r, nil
}

func (c *cluster) Absorb(_ context.Context, call absorbCall) (found coord.Absorption, err error) {
	if err := c.fault(absorbName); err != nil {
		return found, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range call.Task.Leases {
		require.False(c.t, c.absorbed[f.Lease])
		c.absorbed[f.Lease] = true
		if f.Unreported {
			found.Add(c.lanes[f.Lease])
		}
	}
	return found, nil
}

func (c *cluster) Orders(_ context.Context, call ordersCall) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, call)
	return nil
}

func (c *cluster) Finish(_ context.Context, call finishCall) (finished, error) {
	if err := c.fault(finishName); err != nil {
		return finished{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = append(c.finished, call)
	return finished{}, nil
}

// newEnvironment has the workflow, and logs nothing.
func newEnvironment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // not of a busy machine
	env.RegisterWorkflowWithOptions(coordinate, workflow.RegisterOptions{Name: workflowName})
	return env
}

// environment runs the workflow over c.
func (c *cluster) environment() *testsuite.TestWorkflowEnvironment {
	env := newEnvironment()
	for name, fn := range map[string]any{
		beginName: c.Begin, planName: c.Plan, leaseName: c.Lease, absorbName: c.Absorb, ordersName: c.Orders, finishName: c.Finish,
	} {
		env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	env.OnActivity(leaseName, mock.Anything, mock.Anything).Return(c.Lease).After(c.takes)
	return env
}

func start(limit int) input {
	return input{
		Run:     runRef{RunID: "r", Name: "square/v1", Params: json.RawMessage(`{}`)},
		Control: coord.Control{Limit: limit, PerLease: 4, Tolerance: dmap.Tolerance{Percentage: 100}},
	}
}

func (c *cluster) requireAll() {
	c.t.Helper()
	for i, n := range c.settled {
		if n != 1 {
			require.Fail(c.t, "an item", "%d settled %d times", i, n)
		}
	}
	require.Len(c.t, c.absorbed, len(c.lanes), "each lease is absorbed")
}

func fenced() error { return temporal.NewNonRetryableApplicationError("taken", errFenced, nil) }
