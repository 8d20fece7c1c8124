package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/sink"
)

// ratio is what the results of a run say.
type ratio struct {
	survive, fail, pending int64
	reasons                map[string]int64
}

// tally counts the outcomes of a run from its manifest and the parts that it names: the survivors by the manifest
// alone, the failures by reason.
func tally(ctx context.Context, out *blob.Bucket, runID string) (ratio, error) {
	manifest, err := sink.LoadManifest(ctx, out, runs, runID)
	if err != nil {
		return ratio{}, err
	}
	r := ratio{reasons: map[string]int64{}}
	for _, part := range manifest.ResultFiles.Succeeded {
		r.survive += part.Records
	}
	for _, part := range manifest.ResultFiles.Pending {
		r.pending += part.Records
	}
	for _, part := range manifest.ResultFiles.Failed {
		r.fail += part.Records
		if err := r.readFailures(ctx, out, part); err != nil {
			return ratio{}, err
		}
	}
	return r, nil
}

// readFailures counts the records of a FAILED part by their class.
func (r *ratio) readFailures(ctx context.Context, out *blob.Bucket, part sink.Part) error {
	object, err := out.NewReader(ctx, part.Key, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", part.Key, err)
	}
	defer object.Close()
	var records int64
	for lines := json.NewDecoder(object); ; records++ {
		var failure struct {
			Class string `json:"class"`
		}
		err := lines.Decode(&failure)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: record %d: %w", part.Key, records+1, err)
		}
		r.reasons[failure.Class]++
	}
	if records != part.Records {
		return fmt.Errorf("read %s: %d records, the manifest says %d", part.Key, records, part.Records)
	}
	return nil
}

func (r *ratio) print(w io.Writer, inflation float64) {
	settled := r.survive + r.fail
	percent := func(n int64) float64 { return 100 * float64(n) / float64(max(settled, 1)) }
	fmt.Fprintf(w, "inflation:  %+.1f points, by the manifest:\n", inflation)
	fmt.Fprintf(w, "  survive   %8d  %6.2f %%\n", r.survive, percent(r.survive))
	fmt.Fprintf(w, "  fail      %8d  %6.2f %%\n", r.fail, percent(r.fail))
	for _, reason := range slices.Sorted(maps.Keys(r.reasons)) {
		fmt.Fprintf(w, "    %-14s%5d  %6.2f %%\n", reason, r.reasons[reason], percent(r.reasons[reason]))
	}
	if r.pending > 0 {
		fmt.Fprintf(w, "  pending   %8d\n", r.pending)
	}
}
