package results

import (
	"context"
	"iter"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/redrive"
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
		if gaps := redrive.Gaps(settled, n, p); len(gaps) > 0 {
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
		for _, text := range redrive.Unsettled(content, l.unsettled) {
			if !yield(text[:len(text)-1], nil) {
				return
			}
		}
	}
}
