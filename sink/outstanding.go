package sink

import (
	"context"
	"iter"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// outstanding yields the lines of the items that the redrive again took, and that the latest
// release lists, and that have not settled. again is nil outside a redrive. A trial leaves the
// items of an earlier release as they were.
func outstanding(ctx context.Context, bucket *blob.Bucket, again *redriven, p *journal.Progress) iter.Seq2[takenLine, error] {
	settled := journal.NewIntervalSet(p.Settled)
	type list struct {
		part runfolder.Part
		gaps []journal.Interval
	}
	var lists []list
	if again != nil {
		for _, part := range again.file.Taken {
			lists = append(lists, list{part, redrive.Gaps(settled, again.file.Redrive, part)})
		}
	}
	if e := p.Release; e != nil && (again == nil || !again.trial() || e.Redrive == again.file.Redrive) {
		for _, part := range e.Parts {
			lists = append(lists, list{runfolder.Part(part), redrive.ReleasedGaps(settled, e, part)})
		}
	}
	return func(yield func(takenLine, error) bool) {
		for _, l := range lists {
			for line, err := range takenLines(ctx, bucket, l.part, l.gaps) {
				if !yield(line, err) || err != nil {
					return
				}
			}
		}
	}
}
