// Package dmap maps one typed function over the items of a bucket, or of any other source, with
// bounded concurrency, retries, a tolerance for failures, and live control. Results go to sinks
// that keep successes and failures apart.
//
//	stats, err := dmap.Map(ctx, source.Objects(in, "data/"), assess,
//		dmap.Options{MaxConcurrency: 1000}, sink.Bucket[Verdict](out, "runs/"))
//
// [Map] and [MapBatch] run a map to its end. [Start] and [StartBatch] return a [Run] to watch and
// control, and [Results] yields the results one by one. [Options] tune a run, [Stats] count it.
// These, with [Retry], [Tolerance], [Info] and the errors, are all that a program needs. [Plan],
// [Split], [Cursor], [Committer], [Recorder] and the types that they use are for authors of sources
// and sinks; docs/connectors.md shows one of each.
//
// # Words
//
// A [Source] yields items, always the same in the same order. A source with a [Plan] yields them in
// splits that can be read on their own; a [Cursor] is a position in a split. A call is one call of
// the user's function, for one item or one batch. An item is settled when it has its final outcome:
// succeeded, failed, or skipped ([ErrSkip]). An item that was read and is not settled is pending:
// it was never started, was interrupted, or waited for a retry when the run ended. Interrupted is
// not failed.
//
// # Guarantees
//
// Without a crash and without retries each item is called exactly once. For the other cases there
// is [Info.IdempotencyKey]. At most Options.MaxConcurrency calls run at once, also while it
// changes. Read = Succeeded + Failed + Skipped + Held + Pending, which is checked before a run
// returns. When Map returns, nothing of the run runs any more, unless Options.AbandonAfter is set.
// Memory is bounded by concurrency, batch size and commit window, never by the number of items.
//
// # Durable runs
//
// A run with a sink that keeps a journal, as sink.Bucket does, survives a crash of its process: the
// same call with the same Options.RunID resumes it. The run commits its settled items once per
// window (Options.CommitEvery). Results count from the commit that names them, each once, whatever
// crashes at any moment and however many processes try. After a crash only the items in flight and
// the items settled after the last commit run again. A run that has ended is not run again: the
// call returns its Stats, with an error that matches [ErrEnded] if it failed. [SuspendOn] shuts a
// run down gracefully on a signal.
//
// # The way of one item
//
// Readers work on a few splits at once and gather items into chunks, sized by how long a call
// takes. The gate admits workers to chunks, up to the limit; readers wait while it is full. A
// worker calls the function for one item after the other. A failed item that is to be retried
// returns to the gate and uses no slot while it waits. When the last item of a chunk is settled its
// results go to the sinks, in source order.
//
// The run ends when the source ends, when the tolerance is exceeded ([ErrTolerance]), when its
// context is canceled, or when a source or a sink breaks ([SourceError], [SinkError]). Then no new
// call starts, calls in flight get Options.DrainTimeout to finish (they are interrupted at once if
// the run was canceled), results are saved, and items without an outcome are reported as pending to
// the sinks that record runs ([Recorder]).
package dmap
