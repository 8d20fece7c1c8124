package dmaptemporal

import (
	"cmp"
	"context"
	"time"

	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/wholerun"
)

const (
	readEvery = time.Second
	readTime  = 5 * time.Second // for an answer; the next reading asks again
)

// follow reads the run each second, delivers orders, and passes events on, until the run or ctx
// ends. It owns all goroutines of r.
func (r *Run) follow(ctx context.Context) {
	defer close(r.done)
	work, stop := context.WithCancel(ctx)
	ended, delivered := make(chan outcome, 1), make(chan struct{})
	go func() { ended <- r.await(work) }()
	go func() { defer close(delivered); r.deliver(work) }()
	out, over := r.begin(work, ended)
	r.start()
	for tick := time.NewTicker(readEvery); !over; {
		select {
		case <-tick.C:
			r.read(work)
			r.pass()
		case <-r.edited:
			r.read(work)
			r.pass()
		case out = <-ended:
			over = true
			tick.Stop()
		}
	}
	stop()
	<-delivered
	r.finish(out)
}

// begin reads the run until it answers, has ended, or does not answer in time.
func (r *Run) begin(ctx context.Context, ended <-chan outcome) (out outcome, over bool) {
	limit := time.After(readTime)
	for {
		r.read(ctx)
		r.mu.Lock()
		begun := !r.view.Summary().Started.IsZero()
		r.mu.Unlock()
		if begun {
			return outcome{}, false
		}
		select {
		case out := <-ended:
			return out, true
		case <-limit:
			return outcome{}, false
		case <-time.After(readEvery / 4):
		}
	}
}

// read asks the workflow, and then Temporal for the beats. What is missing stays as it was.
func (r *Run) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	at := time.Now()
	s, ok := r.query(ctx)
	beats := r.beats(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	summary := &s.Summary
	if !ok || s.Started.IsZero() && r.view.Summary().Control.Limit > 0 { // the run has not begun
		summary = nil
	}
	r.name = cmp.Or(s.Source, r.name)
	r.view.Read(at, summary, beats)
}

func (r *Run) query(ctx context.Context) (s stats, ok bool) {
	value, err := r.client.QueryWorkflow(ctx, workflowID(r.id), "", statsQuery)
	return s, err == nil && value.Get(&s) == nil
}

// beats are those of all leases that workers have. One that cannot be read is left out: it is not
// what this version sends.
func (r *Run) beats(ctx context.Context) (out []wholerun.Beat) {
	d, err := r.client.DescribeWorkflow(ctx, workflowID(r.id), "")
	if err != nil {
		return nil
	}
	for _, a := range d.RawResponse.GetPendingActivities() {
		if b, ok := beatOf(a); ok {
			out = append(out, b)
		}
	}
	return out
}

func beatOf(a *workflow.PendingActivityInfo) (b wholerun.Beat, ok bool) {
	if a.GetActivityType().GetName() != leaseName || a.GetHeartbeatDetails() == nil {
		return b, false
	}
	var sent lease.Beat
	if err := converter.GetDefaultDataConverter().FromPayloads(a.GetHeartbeatDetails(), &sent); err != nil || !valid(&sent) {
		return b, false
	}
	return wholerun.Beat{Beat: sent, Worker: a.GetLastWorkerIdentity(), Seen: a.GetLastHeartbeatTime().AsTime()}, true
}

// valid refuses counts that cannot be right.
func valid(b *lease.Beat) bool {
	s := &b.Stats
	return min(s.Succeeded, s.Failed, s.Skipped, s.Held, s.Pending, s.Calls, s.Retries, s.Bytes, b.Written) >= 0 &&
		min(s.InFlight, s.Waiting, s.Queued) >= 0 &&
		min(b.Saved.Succeeded, b.Saved.Failed, b.Saved.Skipped, b.Saved.Held) >= 0
}
