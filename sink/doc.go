// Package sink stores the results of a run: [Memory] for tests and small runs, [Bucket] for a
// folder in a bucket. Package results, below this one, reads what Bucket wrote.
package sink
