package dmaptemporal

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	api "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
)

// counting is a server whose workflow never ends. It counts the requests about the run.
type counting struct {
	client.Client
	client.WorkflowRun
	events                 atomic.Int64 // of the history
	descriptions, requests atomic.Int64
}

func newCounting() *counting {
	c := new(counting)
	c.events.Store(5)
	return c
}

func (c *counting) DescribeWorkflow(context.Context, string, string) (*client.WorkflowExecutionDescription, error) {
	c.descriptions.Add(1)
	out := new(client.WorkflowExecutionDescription)
	out.RawResponse = &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &api.WorkflowExecutionInfo{
		Execution: &common.WorkflowExecution{RunId: "first"}, HistoryLength: c.events.Load(),
	}}
	return out, nil
}

func (c *counting) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	c.requests.Add(1)
	return answer{stats{Summary: coord.Summary{Started: time.Now(), Redrive: int(c.events.Load())}}}, nil
}

// answer is that of a query.
type answer struct{ stats }

func (answer) HasValue() bool      { return true }
func (a answer) Get(out any) error { *out.(*stats) = a.stats; return nil }

func (*counting) Get(ctx context.Context, _ any) error {
	<-ctx.Done()
	return ctx.Err()
}

// during counts the requests of a time.
func (c *counting) during(d time.Duration) (descriptions, requests int64) {
	synctest.Wait()
	descriptions, requests = c.descriptions.Load(), c.requests.Load()
	<-time.After(d)
	synctest.Wait()
	return c.descriptions.Load() - descriptions, c.requests.Load() - requests
}

func TestARunIsReadAsOftenAsSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newCounting()
		run := follow(ctx, c, "r", c, coord.Control{Limit: 1}, nil)
		defer func() { cancel(); <-run.Done() }()
		descriptions, _ := c.during(time.Minute + time.Second/2)
		require.EqualValues(t, 6, descriptions, "nobody looks")

		before := c.descriptions.Load()
		run.Stats()
		synctest.Wait()
		require.Equal(t, before+1, c.descriptions.Load(), "the first look is followed by a reading at once")
		descriptions = 0
		for range 60 {
			run.Stats()
			n, _ := c.during(time.Second)
			descriptions += n
		}
		require.InDelta(t, 60, descriptions, 1)
		<-time.After(looksFor + readEvery)
		descriptions, _ = c.during(time.Minute)
		require.InDelta(t, 6, descriptions, 1, "nobody looks any more")
	})
}

func TestAWorkflowIsAskedAgainWhenItsHistoryHasGrown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newCounting()
		run := follow(ctx, c, "r", c, coord.Control{Limit: 1}, new(dmap.Observer))
		defer func() { cancel(); <-run.Done() }()
		descriptions, requests := c.during(time.Minute)
		require.InDelta(t, 60, descriptions, 1, "an observer looks")
		require.LessOrEqual(t, requests, int64(2))
		c.events.Store(9)
		_, requests = c.during(2 * time.Second)
		require.EqualValues(t, 1, requests)
		run.mu.Lock()
		defer run.mu.Unlock()
		require.Equal(t, 9, run.view.Summary().Redrive)
	})
}
