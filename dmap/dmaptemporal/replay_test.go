package dmaptemporal

import (
	"io"
	"log/slog"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// history makes the events that a server records for a run of one lease. No server made it: the
// test holds that later versions of the workflow do the same for runs that have begun.
type history struct {
	t      *testing.T
	events []*historypb.HistoryEvent
	task   int64 // event of the last completed workflow task
}

func (h *history) payloads(values ...any) *commonpb.Payloads {
	p, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	require.NoError(h.t, err)
	return p
}

// add adds an event, whose attributes set fills in, and returns its number.
func (h *history) add(kind enumspb.EventType, set func(*historypb.HistoryEvent)) int64 {
	n := int64(len(h.events) + 1)
	e := &historypb.HistoryEvent{EventId: n, EventType: kind, EventTime: &timestamppb.Timestamp{Seconds: 1_000_000_000 + n}}
	set(e)
	h.events = append(h.events, e)
	return e.EventId
}

func (h *history) workflowTask() {
	scheduled := h.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{
			TaskQueue: &taskqueuepb.TaskQueue{Name: "q"},
		}}
	})
	started := h.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{
			ScheduledEventId: scheduled,
		}}
	})
	h.task = h.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{
			ScheduledEventId: scheduled, StartedEventId: started,
		}}
	})
}

// activity adds an activity and its result.
func (h *history) activity(name string, call, result any) {
	scheduled := h.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityId: strconv.FormatInt(e.EventId, 10), ActivityType: &commonpb.ActivityType{Name: name},
			TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, Input: h.payloads(call), WorkflowTaskCompletedEventId: h.task,
		}}
	})
	started := h.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{
			ScheduledEventId: scheduled,
		}}
	})
	h.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: scheduled, StartedEventId: started, Result: h.payloads(result),
		}}
	})
	h.workflowTask()
}

func (h *history) begin(in input) {
	h.add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
			WorkflowType: &commonpb.WorkflowType{Name: workflowName}, TaskQueue: &taskqueuepb.TaskQueue{Name: "q"},
			Input: h.payloads(in), OriginalExecutionRunId: "run", Attempt: 1,
		}}
	})
	h.workflowTask()
	h.add(enumspb.EVENT_TYPE_MARKER_RECORDED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_MarkerRecordedEventAttributes{MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{
			MarkerName: "Version", WorkflowTaskCompletedEventId: h.task,
			Details: map[string]*commonpb.Payloads{
				"change-id": h.payloads("coordinator"), "version": h.payloads(1), "version-search-attribute-updated": h.payloads(true),
			},
		}}
	})
	h.add(enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, func(e *historypb.HistoryEvent) {
		names, err := converter.GetDefaultDataConverter().ToPayload([]string{"coordinator-1"})
		require.NoError(h.t, err)
		e.Attributes = &historypb.HistoryEvent_UpsertWorkflowSearchAttributesEventAttributes{UpsertWorkflowSearchAttributesEventAttributes: &historypb.UpsertWorkflowSearchAttributesEventAttributes{
			WorkflowTaskCompletedEventId: h.task,
			SearchAttributes:             &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"TemporalChangeVersion": names}},
		}}
	})
}

func (h *history) replay() error {
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflowWithOptions(coordinate, workflow.RegisterOptions{Name: workflowName})
	logger := log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	return r.ReplayWorkflowHistory(logger, &historypb.History{Events: h.events})
}

// record makes the history of a run of one lease, in which names are those of its activities in
// order.
func record(t *testing.T, names ...string) *history {
	h := &history{t: t}
	in := start(4)
	h.begin(in)
	ref := lease.Ref{Lease: 3, Attempt: 1, Era: 9}
	n := journal.Counts{Read: 10, Taken: 10, Succeeded: 10, Calls: 10}
	results := map[string]any{
		beginName:  begun{Era: 9, Next: 3, Pieces: []dmap.Split{numbers(0, 10)}},
		leaseName:  lease.Report{Ref: ref, Reason: lease.Done, Counts: n},
		absorbName: journal.Counts{},
		finishName: nil,
	}
	for _, name := range names {
		h.activity(name, map[string]any{}, results[name])
	}
	h.add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{
			Result: h.payloads(result{End: coord.End{Why: coord.Done}, Counts: n}), WorkflowTaskCompletedEventId: h.task,
		}}
	})
	return h
}

func TestARecordedRunReplays(t *testing.T) {
	require.NoError(t, record(t, beginName, leaseName, absorbName, finishName).replay())
	require.Error(t, record(t, beginName, leaseName, finishName).replay(), "the workflow does something else")
}
