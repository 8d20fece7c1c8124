package dmapweb

import (
	"time"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/watch"
)

// describe is a run with the names of DescribeMapRun of Step Functions, and our own state beside
// them.
//
// [DescribeMapRun]:
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeMapRun.html
type describe struct {
	// Status is RUNNING also for an open run, which Step Functions does not know: it has not ended.
	Status                     string     `json:"status"` // RUNNING, SUCCEEDED, FAILED or ABORTED
	StartDate                  time.Time  `json:"startDate"`
	StopDate                   *time.Time `json:"stopDate,omitempty"`
	MaxConcurrency             int        `json:"maxConcurrency"`
	ToleratedFailureCount      int64      `json:"toleratedFailureCount"`
	ToleratedFailurePercentage float64    `json:"toleratedFailurePercentage"`
	ItemCounts                 counts     `json:"itemCounts"`
	ExecutionCounts            counts     `json:"executionCounts"` // of calls, retries included
	RedriveCount               int        `json:"redriveCount"`

	Run    watch.Snapshot `json:"run"`
	Stored *folder        `json:"stored,omitempty"` // of a run in the bucket; nil: not looked at, or not there
}

// counts are itemCounts and executionCounts of DescribeMapRun.
type counts struct {
	Pending        int64 `json:"pending"`
	Running        int64 `json:"running"`
	Succeeded      int64 `json:"succeeded"`
	Failed         int64 `json:"failed"`
	TimedOut       int64 `json:"timedOut"` // not part of failed
	Aborted        int64 `json:"aborted"`
	Total          int64 `json:"total"`
	ResultsWritten int64 `json:"resultsWritten"` // 0 while the run works

	PendingRedrive int64 `json:"pendingRedrive,omitempty"`
	// Ours: items that Step Functions does not have.
	Skipped int64 `json:"skipped,omitempty"`
	Held    int64 `json:"held,omitempty"`
}

// classTimeout is the class of an item whose last attempt took longer than Options.Timeout.
const classTimeout = "timeout"

// describeRun gives a snapshot the names of DescribeMapRun.
func describeRun(s watch.Snapshot) describe {
	d := describe{
		Status: awsStatus(s.Verdict.Status), StartDate: s.Begun.UTC(), MaxConcurrency: s.Limits.Concurrency,
		ToleratedFailureCount: s.Limits.Tolerance.Count, ToleratedFailurePercentage: s.Limits.Tolerance.Percentage,
		RedriveCount: s.Stats.Redrives, Run: s,
	}
	if !s.Stats.Started.IsZero() {
		d.StartDate = s.Stats.Started.UTC()
	}
	if d.Status != "RUNNING" && !s.Ended.IsZero() {
		stop := s.Ended.UTC()
		d.StopDate = &stop
	}
	running := int64(0)
	for _, part := range s.Progress.Parts {
		if part.Name == "in flight" {
			running = part.Items
		}
	}
	st := s.Stats
	timedOut := min(st.Failed, timeouts(s.Failures.Groups))
	d.ItemCounts = counts{
		Pending: max(0, st.Pending-running), Running: running, Succeeded: st.Succeeded, Failed: st.Failed - timedOut, TimedOut: timedOut,
		Total: st.Read, Skipped: st.Skipped, Held: st.Held,
	}
	if d.Status != "RUNNING" {
		d.ItemCounts.ResultsWritten = st.Succeeded + st.Failed
	}
	d.ExecutionCounts = counts{Running: int64(st.InFlight), Total: st.Calls, Succeeded: max(0, st.Calls-int64(st.InFlight))}
	return d
}

func awsStatus(s watch.Status) string {
	switch s {
	case watch.StatusSucceeded:
		return "SUCCEEDED"
	case watch.StatusFailed:
		return "FAILED"
	case watch.StatusCanceled:
		return "ABORTED"
	default:
		return "RUNNING"
	}
}

func timeouts(groups []failgroup.Group) (n int64) {
	for _, g := range groups {
		if g.Class == classTimeout {
			n += g.Count
		}
	}
	return n
}
