// Package results reads what a run has written with sink.Bucket: its manifest, and the records of
// its successes, failures, held and pending items. It takes the decisions of people about held
// items (Approve, Reject). It also removes what crashed processes left, and writes the results in
// Step Functions' layout.
//
//	m, err := results.Load(ctx, bucket, "runs/", runID)
//	for r, err := range results.Successes[Receipt](ctx, bucket, m) { ... }
package results
