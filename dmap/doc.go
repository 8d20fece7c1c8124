// Package dmap maps one typed function over the items of a bucket, or of any other source, with bounded concurrency,
// retries, a tolerance for failures, and live control; results go to sinks that split successes from failures.
//
//	stats, err := dmap.Map(ctx, source.Objects(in, "data/"), assess, dmap.Options{MaxConcurrency: 1000},
//		sink.Bucket[Verdict](out, "runs/"))
//
// # Words
//
// A [Source] yields items, always the same in the same order. A [Planner] has a [Plan] to read them in splits; a [Cursor] is a
// position in a split. A call is one call of the user's function, for one item or one batch.
// An item is settled when it has its final outcome: succeeded or failed, or skipped ([ErrSkip]). An item that was read and
// is not settled is pending: never started, interrupted, or waiting for a retry when the run ended. Interrupted is not failed.
//
// # Guarantees
//
// Without a crash and without retries each item is called exactly once; [Info.IdempotencyKey] is there for the other cases.
// At most MaxConcurrency calls run at once, also while it changes. Read = Succeeded + Failed + Skipped + Pending, which
// is checked before a run returns. When Map returns, nothing of the run runs any more, unless Options.AbandonAfter is set.
// Memory is bounded by concurrency, batch and window, never by the number of items.
//
// # Durable runs
//
// A run with a [Journal], as sink.Bucket brings one, survives the death of its process: the same call with the same
// Options.RunID goes on. What is settled is committed once per window (Options.CommitEvery); results count from the
// commit that names them, each once, whatever dies when and however many processes try. After a crash at most what was in
// flight and what was settled since the last commit runs again. A run that has come to its end is not run again: its
// Stats are returned, with an error that matches [ErrEnded] if it failed. [SuspendOn] stops a run in order at a signal.
//
// # The way of one item
//
// Readers work on a few splits at once and gather items into chunks, sized by how long a call takes. The gate admits
// workers to chunks, up to the limit; readers wait when it is full. A worker calls the function for one item after the
// other; a failed one that is to be retried goes back to the gate and holds no place while it waits. When the last item of
// a chunk is settled its results go to the sinks, in source order.
//
// The run ends when the source does, when the tolerance is exceeded ([ErrTolerance]), when its context is cancelled, or
// when a source or a sink breaks ([SourceError], [SinkError]). Then nothing new starts, calls in flight may finish within
// Options.DrainTimeout (they are interrupted at once if the run was cancelled), results are saved, and whatever has no
// outcome is reported as pending to the sinks that record runs ([Recorder]).
package dmap
