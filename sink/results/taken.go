package results

import (
	"bytes"
	"context"
	"iter"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// takenList is a list of items that a redrive took, and what of it has not settled again.
type takenList struct {
	part      Part
	unsettled []journal.Interval // offsets in the list
}

// takenLists are the lists of an open redrive with unsettled items.
func takenLists(f *runfolder.RedriveFile, commits []runfolder.CommitRecord) []takenList {
	settled := journal.IntervalSet{}
	for _, c := range commits {
		for _, v := range c.Settled {
			if journal.IsTakenSplit(v.Split) {
				settled.Add(journal.Interval{
					Split: v.Split, From: journal.Cursor(convert.Cursor(v.From)), To: journal.Cursor(convert.Cursor(v.To)),
				})
			}
		}
	}
	var lists []takenList
	add := func(n int, p runfolder.Part) {
		split := journal.TakenSplit(n, p.Key[strings.LastIndexByte(p.Key, '/')+1:])
		gaps := settled.Gaps(journal.Interval{Split: split, To: journal.Cursor{Offset: p.Size}})
		if len(gaps) > 0 {
			lists = append(lists, takenList{Part(p), gaps})
		}
	}
	for _, p := range f.Taken {
		add(f.Redrive, p)
	}
	for _, w := range f.Waiting {
		add(w.Redrive, w.Part)
	}
	return lists
}

// lines yields the lines of the items that have not settled.
func (l takenList) lines(ctx context.Context, bucket *blob.Bucket) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		content, err := readPart(ctx, bucket, l.part)
		if err != nil {
			yield(nil, err)
			return
		}
		gaps := l.unsettled
		for at := int64(0); at < int64(len(content)); {
			end := at + int64(bytes.IndexByte(content[at:], '\n')) + 1
			for len(gaps) > 0 && end > gaps[0].To.Offset {
				gaps = gaps[1:]
			}
			if len(gaps) == 0 {
				return
			}
			if end > gaps[0].From.Offset && !yield(content[at:end-1], nil) {
				return
			}
			at = end
		}
	}
}
