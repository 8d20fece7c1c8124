package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/sink/results"
)

// ratio summarizes the results of a run.
type ratio struct {
	survive, fail, pending int64
	reasons                map[string]int64
}

// tally counts the outcomes of a run from its manifest. It takes successes and pending items from
// the counts of their parts. It reads the records of failures, because these have the reasons.
func tally(ctx context.Context, out *blob.Bucket, runID string) (ratio, error) {
	manifest, err := results.Load(ctx, out, runs, runID)
	if err != nil {
		return ratio{}, err
	}
	r := ratio{
		survive: records(manifest.SucceededParts),
		pending: records(manifest.PendingParts),
		reasons: map[string]int64{},
	}
	for failure, err := range results.Failures(ctx, out, manifest) {
		if err != nil {
			return ratio{}, err
		}
		r.fail++
		r.reasons[failure.Class]++
	}
	return r, nil
}

func records(parts []results.Part) (n int64) {
	for _, part := range parts {
		n += part.Records
	}
	return n
}

func (r *ratio) print(w io.Writer, inflation float64) {
	settled := r.survive + r.fail
	percent := func(n int64) float64 { return 100 * float64(n) / float64(max(settled, 1)) }
	fmt.Fprintf(w, "inflation:  %+.1f points; outcomes from the manifest:\n", inflation)
	fmt.Fprintf(w, "  survive   %8d  %6.2f %%\n", r.survive, percent(r.survive))
	fmt.Fprintf(w, "  fail      %8d  %6.2f %%\n", r.fail, percent(r.fail))
	for _, reason := range slices.Sorted(maps.Keys(r.reasons)) {
		fmt.Fprintf(w, "    %-14s%5d  %6.2f %%\n", reason, r.reasons[reason], percent(r.reasons[reason]))
	}
	if r.pending > 0 {
		fmt.Fprintf(w, "  pending   %8d\n", r.pending)
	}
}
