package results

import (
	"context"
	"fmt"
	"slices"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// Preview is what a redrive would process.
type Preview struct {
	Failed  int64 // failed items that it takes
	Pending int64 // pending items that it processes too; a trial leaves them
	Unread  bool  // it reads the part of the source that the run has not read; a trial does not
}

// PreviewRedrive says what a redrive of a run that has ended would process now, with these options
// in its call. It does not look at Max, Canceled and Tolerated, which only decide whether the
// redrive begins. One request tells the count of whole groups, or of all failures; with Classes,
// Glob or Match, or if the index of the failures is damaged, all FAILED records are read. A Match
// that panics is an error.
func PreviewRedrive(ctx context.Context, bucket *blob.Bucket, r *Run, o dmap.Redrive) (Preview, error) {
	if err := r.missing(ctx, bucket); err != nil {
		return Preview{}, err
	}
	p := Preview{Pending: r.Stats.Pending, Unread: len(r.Unread.Splits) > 0 || r.Unread.After != nil || r.Unread.All}
	if o.Limit > 0 {
		p.Pending, p.Unread = 0, false
	}
	n, exact := countGroups(ctx, bucket, r, o)
	if !exact {
		var err error
		if n, err = countRecords(ctx, bucket, r, o); err != nil {
			return p, fmt.Errorf("results: preview of a redrive of run %q: %w", r.RunID, err)
		}
	}
	if p.Failed = n; o.Limit > 0 {
		p.Failed = min(n, o.Limit)
	}
	return p, nil
}

// countGroups counts the chosen items by the index; exact is false if it does not tell, or
// cannot be read: a redrive needs no index.
func countGroups(ctx context.Context, bucket *blob.Bucket, r *Run, o dmap.Redrive) (n int64, exact bool) {
	if len(o.Classes) > 0 || o.Glob != "" || o.Match != nil {
		return 0, false
	}
	x, err := index(ctx, bucket, r)
	if err != nil {
		return 0, false
	}
	groups := x.Groups()
	whole := len(groups) == 0 || groups[len(groups)-1].ID != OtherGroup
	for _, g := range groups {
		if len(o.Groups) > 0 && !slices.Contains(o.Groups, g.ID) || !redrive.TakesClass(convert.Choice(o), g.Class) {
			continue
		}
		n += g.Count
	}
	return n, whole
}

// countRecords counts the chosen items by their records.
func countRecords(ctx context.Context, bucket *blob.Bucket, r *Run, o dmap.Redrive) (n int64, err error) {
	chooser, err := redrive.NewChooser(convert.Choice(o), convert.Match(o, r.RunID, r.Redrive))
	if err != nil {
		return 0, err
	}
	decode := func(line []byte) (bool, error) {
		record, err := runfolder.DecodeRecord(line)
		if err != nil {
			return false, err
		}
		return chooser.Takes(record)
	}
	for takes, err := range records(ctx, bucket, r.FailedParts, decode) {
		if err != nil {
			return 0, err
		}
		if takes {
			n++
		}
		if chooser.Full() {
			break
		}
	}
	return n, nil
}
