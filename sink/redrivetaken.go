package sink

import (
	"context"
	"fmt"
	"iter"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/scrub"
)

// takenItems are the items of a taken part.
type takenItems = iter.Seq2[journal.TakenItem, error]

// takenLine is a line of a taken part.
type takenLine struct {
	key   string // of the part
	text  []byte // with the newline
	after int64  // the offset after it
}

func (l *takenLine) record() (*runfolder.Record, error) {
	r, err := runfolder.DecodeRecord(l.text)
	if err != nil {
		return nil, fmt.Errorf("sink: part %q before byte %d: %w", l.key, l.after, err)
	}
	return r, nil
}

func (l *takenLine) item() (item journal.TakenItem, err error) {
	r, err := l.record()
	if err != nil {
		return item, err
	}
	return journal.TakenItem{
		Split: r.Split, Version: r.Version, Start: commits.Cursor(r.Start), Next: commits.Cursor(r.Next),
		Key: r.Key, Offset: r.Offset, Index: r.Index, From: cursorOf(r.From), Header: r.Header, After: l.after, Decision: decisionOf(r),
	}, nil
}

// cursorOf is a cursor that may be missing.
func cursorOf(c *runfolder.Cursor) *journal.Cursor {
	if c == nil {
		return nil
	}
	out := commits.Cursor(*c)
	return &out
}

// readList yields the items of a stored list after an offset.
func readList(ctx context.Context, bucket *blob.Bucket, list runfolder.Part, from int64) takenItems {
	return func(yield func(journal.TakenItem, error) bool) {
		rest := []journal.Interval{{From: journal.Cursor{Offset: from}, To: journal.Cursor{Offset: list.Size}}}
		for l, err := range takenLines(ctx, bucket, list, rest) {
			if err != nil {
				yield(journal.TakenItem{}, err)
				return
			}
			item, err := l.item()
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// unsettledLines yields the lines of a part that redrive n took whose items have not settled.
func unsettledLines(ctx context.Context, bucket *blob.Bucket, n int, p runfolder.Part, settled journal.IntervalSet) iter.Seq2[takenLine, error] {
	return takenLines(ctx, bucket, p, redrive.Gaps(settled, n, p))
}

// takenLines yields the lines of a part that lie in gaps. It checks the part first, unless there
// are none.
func takenLines(ctx context.Context, bucket *blob.Bucket, p runfolder.Part, gaps []journal.Interval) iter.Seq2[takenLine, error] {
	return func(yield func(takenLine, error) bool) {
		if len(gaps) == 0 {
			return
		}
		content, err := runfolder.ReadPart(ctx, bucket, p)
		if err != nil {
			yield(takenLine{}, fmt.Errorf("sink: %w", err))
			return
		}
		for after, text := range redrive.Unsettled(content, gaps) {
			if !yield(takenLine{key: p.Key, text: text, after: after}, nil) {
				return
			}
		}
	}
}

// decisionOf is the decision of a line of a list, nil if it has none.
func decisionOf(r *runfolder.Record) *journal.Decision {
	d := r.Decision
	if d == nil {
		return nil
	}
	return &journal.Decision{
		Approved: d.Approved, By: scrub.Text(d.By, runfolder.MaxBy), At: d.At, Note: scrub.Text(d.Note, runfolder.MaxNote),
		Reason: scrub.Text(r.Reason, maxErrorText), Holds: r.Holds,
	}
}
