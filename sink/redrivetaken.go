package sink

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
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
		Split: r.Split, Version: r.Version, Start: journalCursor(r.Start), Next: journalCursor(r.Next),
		Key: r.Key, Offset: r.Offset, Index: r.Index, After: l.after,
	}, nil
}

func journalCursor(c runfolder.Cursor) journal.Cursor {
	return journal.Cursor{Key: c.Key, Offset: c.Offset}
}

// takenLines yields the lines of a part, which it checks first.
func takenLines(ctx context.Context, bucket *blob.Bucket, p runfolder.Part) iter.Seq2[takenLine, error] {
	return func(yield func(takenLine, error) bool) {
		content, err := readChecked(ctx, bucket, p)
		if err != nil {
			yield(takenLine{}, err)
			return
		}
		for at := int64(0); at < int64(len(content)); {
			end := at + int64(bytes.IndexByte(content[at:], '\n')) + 1
			if !yield(takenLine{key: p.Key, text: content[at:end], after: end}, nil) {
				return
			}
			at = end
		}
	}
}

// unsettledLines yields the lines of a taken part whose items have not settled.
func unsettledLines(ctx context.Context, bucket *blob.Bucket, n int, p runfolder.Part, settled journal.IntervalSet) iter.Seq2[takenLine, error] {
	return func(yield func(takenLine, error) bool) {
		gaps := settled.Gaps(journal.Interval{Split: takenSplit(n, p), To: journal.Cursor{Offset: p.Size}})
		if len(gaps) == 0 {
			return
		}
		for l, err := range takenLines(ctx, bucket, p) {
			if err == nil {
				for len(gaps) > 0 && l.after > gaps[0].To.Offset {
					gaps = gaps[1:]
				}
				if len(gaps) == 0 {
					return
				}
				if l.after <= gaps[0].From.Offset {
					continue
				}
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// takenSplit is the ID of the split of a part that redrive n took.
func takenSplit(n int, p runfolder.Part) string {
	return journal.TakenSplit(n, p.Key[strings.LastIndexByte(p.Key, '/')+1:])
}
