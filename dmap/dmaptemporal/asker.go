package dmaptemporal

import (
	"context"
	"time"

	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/wholerun"
)

// asker asks about a run.
type asker struct {
	client client.Client
	id     string // of the run
}

func workflowID(runID string) string { return "dmap/" + runID }

const (
	beatTime = 5 * time.Second // for an answer about beats; the next reading asks again
	// queryTime is for an answer of the workflow. It is long: if the worker was killed that had the
	// workflow last, Temporal needs some seconds to ask another one.
	queryTime = 20 * time.Second
)

// ask asks the workflow at once, after each token of now, and again each second until it answers.
// It returns when ctx ends.
func (a asker) ask(ctx context.Context, told chan<- stats, now <-chan struct{}) {
	for {
		var again <-chan time.Time
		if s, ok := a.query(ctx); ok {
			select {
			case told <- s:
			case <-ctx.Done():
			}
		} else {
			again = time.After(readEvery)
		}
		select {
		case <-again:
		case <-now:
		case <-ctx.Done():
			return
		}
	}
}

func (a asker) query(ctx context.Context) (s stats, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	value, err := a.client.QueryWorkflow(ctx, workflowID(a.id), "", statsQuery)
	return s, err == nil && value.Get(&s) == nil
}

// position is how far the history of the workflow has come. Its answers change only with it.
type position struct {
	run    string
	events int64
}

// beats are those of all leases that workers have. One that cannot be read is left out: another
// version of this library has sent it. ok: the server has answered.
func (a asker) beats(ctx context.Context) (out []wholerun.Beat, at position, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	d, err := a.client.DescribeWorkflow(ctx, workflowID(a.id), "")
	if err != nil {
		return nil, at, false
	}
	for _, p := range d.RawResponse.GetPendingActivities() {
		if b, ok := a.beatOf(p); ok {
			out = append(out, b)
		}
	}
	info := d.RawResponse.GetWorkflowExecutionInfo()
	return out, position{info.GetExecution().GetRunId(), info.GetHistoryLength()}, true
}

func (a asker) beatOf(p *workflow.PendingActivityInfo) (b wholerun.Beat, ok bool) {
	if p.GetActivityType().GetName() != leaseName || p.GetHeartbeatDetails() == nil {
		return b, false
	}
	var sent lease.Beat
	if err := dataOf(a.client).FromPayloads(p.GetHeartbeatDetails(), &sent); err != nil || !valid(&sent) {
		return b, false
	}
	return wholerun.Beat{Beat: sent, Worker: p.GetLastWorkerIdentity(), Seen: p.GetLastHeartbeatTime().AsTime()}, true
}

// valid refuses figures that cannot be right.
func valid(b *lease.Beat) bool {
	s := &b.Stats
	return min(s.Succeeded, s.Failed, s.Skipped, s.Held, s.Pending, s.Calls, s.Retries, s.Bytes, b.Written) >= 0 &&
		min(s.InFlight, s.Waiting, s.Queued) >= 0 &&
		min(b.Saved.Succeeded, b.Saved.Failed, b.Saved.Skipped, b.Saved.Held) >= 0 && b.Failures.Valid()
}
