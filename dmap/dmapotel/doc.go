// Package dmapotel reports runs to OpenTelemetry: a trace of each run, and metrics of all runs of
// the process.
//
//	opts.Observer = dmapotel.Observer(dmapotel.Options{})
//
// Without options it uses the providers that the program has registered with package otel; until it
// has, nothing is recorded. The providers may be registered later.
//
// # Traces
//
// A run is a span, "dmap.run": a child of the span in the context of Map or Start, or a root. Each
// call of a batch function is a child of it, "dmap.batch", one for each attempt. The function gets
// a context with the span of its call, so that spans of clients are its children. A call of Map has
// a single item, and a run may have millions of them: it has a span, "dmap.item", with
// Options.Spans: SpanItems only. Otherwise spans of clients are children of the run.
//
// An item is an event of a span only if it has failed, at most 32 of them in each span: in the run
// with its ID, class and text of its error, in a batch with its position. IDs and texts follow
// Options.Redact of the run.
//
// # Metrics
//
// Durations are in seconds. Attributes have few values, whatever items, errors and runs have: see
// the constants. No metric has the ID of a run, a key, or the text of an error.
//
// # Logs
//
// Lines of Options.Logger have the ID of the run, and the context of the run. LogHandler adds the
// IDs of trace and span to them, and to the lines that a function writes with its own context.
package dmapotel
