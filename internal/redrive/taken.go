package redrive

import (
	"bytes"
	"iter"
	"strings"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// TakenSplit is the ID of the split that reads p, a list of items that redrive n took.
func TakenSplit(n int, p runfolder.Part) string {
	return journal.TakenSplit(n, p.Key[strings.LastIndexByte(p.Key, '/')+1:])
}

// ReleasedGaps are the parts of p, a list of r, whose items have not settled.
func ReleasedGaps(settled journal.IntervalSet, r *journal.Release, p journal.ReleasedPart) []journal.Interval {
	return settled.Gaps(journal.Interval{Split: journal.ReleasedSplit(r.Number, p.Key), To: journal.Cursor{Offset: p.Size}})
}

// Gaps are the parts of p, a list of items that redrive n took, whose items have not settled. Their
// cursors are offsets in p.
func Gaps(settled journal.IntervalSet, n int, p runfolder.Part) []journal.Interval {
	return settled.Gaps(journal.Interval{Split: TakenSplit(n, p), To: journal.Cursor{Offset: p.Size}})
}

// Unsettled yields the lines of content, the list of items, that lie in gaps: each with its
// newline, after the offset at which it ends.
func Unsettled(content []byte, gaps []journal.Interval) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for at := int64(0); at < int64(len(content)); {
			end := at + int64(bytes.IndexByte(content[at:], '\n')) + 1
			for len(gaps) > 0 && end > gaps[0].To.Offset {
				gaps = gaps[1:]
			}
			if len(gaps) == 0 {
				return
			}
			if end > gaps[0].From.Offset && !yield(end, content[at:end]) {
				return
			}
			at = end
		}
	}
}
