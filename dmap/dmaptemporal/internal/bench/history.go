package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"
)

// history is what a workflow has recorded.
type history struct {
	events, bytes int
	leases        int            // and batches
	tasks         map[string]int // other activities, by name
	workflow      int            // tasks of the workflow
	signals       int
	timers        int
	continued     int
}

// readHistory reads all runs of a workflow.
func readHistory(ctx context.Context, c client.Client, id string) (h history, err error) {
	first, err := firstRun(ctx, c, id)
	for run := first; run != "" && err == nil; {
		run, err = h.read(ctx, c, id, run)
	}
	return h, err
}

func firstRun(ctx context.Context, c client.Client, id string) (string, error) {
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return "", err
	}
	return d.RawResponse.GetWorkflowExecutionInfo().GetFirstRunId(), nil
}

// read adds the events of one run, and returns the next one.
func (h *history) read(ctx context.Context, c client.Client, id, run string) (next string, err error) {
	events := c.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return "", err
		}
		h.events++
		h.bytes += proto.Size(e)
		switch e.GetEventType() {
		case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			switch name := e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName(); name {
			case "dmap/lease", batchActivity:
				h.leases++
			default:
				if h.tasks == nil {
					h.tasks = map[string]int{}
				}
				h.tasks[name]++
			}
		case enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			h.workflow++
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			h.signals++
		case enums.EVENT_TYPE_TIMER_STARTED:
			h.timers++
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
			h.continued++
			next = e.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
		}
	}
	return next, nil
}

// actions are those that Temporal Cloud counts, beside heartbeats: the start, activities, signals,
// timers, and further runs.
func (h *history) actions() int {
	n := 1 + h.leases + h.signals + h.timers + h.continued
	for _, tasks := range h.tasks {
		n += tasks
	}
	return n
}

// String lists the records beside those of leases.
func (h *history) String() string {
	out := fmt.Sprintf("%.2f workflow tasks a lease", float64(h.workflow)/float64(h.leases))
	for _, name := range slices.Sorted(maps.Keys(h.tasks)) {
		out += fmt.Sprintf(", %d %s", h.tasks[name], name)
	}
	return out + fmt.Sprintf(", %d signals, %d timers", h.signals, h.timers)
}
