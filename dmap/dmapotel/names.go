package dmapotel

// Scope is the name of the tracer and the meter; the version is that of this module.
const Scope = "github.com/go-dmap/dmap/dmap/dmapotel"

// Names of spans.
const (
	SpanRun   = "dmap.run"   // a run in one process
	SpanBatch = "dmap.batch" // a call of the function of MapBatch
	SpanItem  = "dmap.item"  // a call of the function of Map
)

// EventFailed is the event of an item that has failed.
const EventFailed = "dmap.item.failed"

// Names of metrics, with their units. All have the attributes source.kind and engine.
const (
	// MetricItemDuration is a histogram of the times of calls of Map, in s, by outcome.
	MetricItemDuration = "dmap.item.duration"
	// MetricBatchDuration is a histogram of the times of calls of MapBatch, in s, by outcome.
	MetricBatchDuration = "dmap.batch.duration"
	// MetricItems counts the items settled by this process, by outcome; failed ones by error.type
	// too. Unit: {item}.
	MetricItems = "dmap.items"
	// MetricRetries counts the items that are called again, by the error.type of the attempt that
	// failed. Unit: {retry}.
	MetricRetries = "dmap.item.retries"
	// MetricInFlight is the number of items in calls that run now. Unit: {item}.
	MetricInFlight = "dmap.items.inflight"
	// MetricLimit is the number of calls that may run at once now: Stats.AdaptedLimit where a
	// server that throttles has lowered it, else Stats.Limit, of all runs. Unit: {item}; in
	// MapBatch a call has a batch.
	MetricLimit = "dmap.concurrency.limit"
	// MetricRead counts the bytes of items that were called for the first time, by Item.Size. Unit:
	// By.
	MetricRead = "dmap.source.read"
	// MetricWritten counts the bytes that sinks have written into files of results. Unit: By.
	MetricWritten = "dmap.sink.written"
	// MetricCheckpointAge is the time since the last record of a journal, in s: of the run whose
	// record is the oldest. Runs without a journal have none.
	MetricCheckpointAge = "dmap.checkpoint.age"
)

// Attributes of metrics and spans.
const (
	// AttrOutcome is one of the Outcome constants.
	AttrOutcome = "outcome"
	// AttrErrorType is dmap.Class of an error: on metrics one of those of dmap, of the first 16
	// others of the process, or "_OTHER".
	AttrErrorType = "error.type"
	// AttrSourceKind is the kind of the source: objects, csv, json_lines, json_array, slice,
	// sequence, keys, failures, pending, concat, contents, or other.
	AttrSourceKind = "source.kind"
	// AttrEngine is "local": goroutines of one process; or "temporal": a run on many machines, by
	// the process that follows the run. The workers report their part as "local".
	AttrEngine = "engine"
)

// Attributes of spans and events only.
const (
	AttrRunID     = "dmap.run.id"
	AttrSource    = "dmap.source"          // the source's String
	AttrResumed   = "dmap.run.resumed"     // an earlier process began the run
	AttrRedrive   = "dmap.redrive"         // the number of the redrive; left out where there is none
	AttrState     = "dmap.run.state"       // Stats.State, when the span ends
	AttrReason    = "dmap.run.reason"      // Stats.Reason, when the span ends
	AttrSucceeded = "dmap.items.succeeded" // the counts of Stats, when the span of the run ends
	AttrFailed    = "dmap.items.failed"    // also of the items of a batch
	AttrSkipped   = "dmap.items.skipped"
	AttrHeld      = "dmap.items.held"
	AttrPending   = "dmap.items.pending"
	AttrCalls     = "dmap.calls"
	AttrRetries   = "dmap.retries"
	AttrItemID    = "dmap.item.id" // Info.ID; of a batch that of the first item
	AttrPart      = "dmap.split"   // Info.Split: the part of the source
	AttrAttempt   = "dmap.attempt"
	AttrItems     = "dmap.items"          // of the call
	AttrBytes     = "dmap.bytes"          // of the call
	AttrPosition  = "dmap.batch.position" // of an item in its batch, from 0
	AttrAbandoned = "dmap.call.abandoned" // the function still ran when the span ended
	AttrMessage   = "exception.message"   // the text of an error
)

// Values of AttrOutcome.
const (
	OutcomeSucceeded = "succeeded"
	OutcomeFailed    = "failed"
	OutcomeTimedOut  = "timed_out" // failed, with an error that matches context.DeadlineExceeded
	OutcomeAborted   = "aborted"   // a call that the end of the run interrupted; an item that it left pending for good
	OutcomeSkipped   = "skipped"   // dmap.ErrSkip
	OutcomeHeld      = "held"      // of a call: dmap.Hold
)
