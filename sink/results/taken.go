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

// takenList is a list of items that a redrive took, or that were decided after a hold, and what of
// it has not settled again.
type takenList struct {
	part      Part
	unsettled []journal.Interval // offsets in the list
}

// takenLists are the lists of an open run with unsettled items. f is the open redrive, nil if there
// is none.
func takenLists(folder string, f *runfolder.RedriveFile, commits []runfolder.CommitRecord) ([]takenList, error) {
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
	add := func(p runfolder.Part, gaps []journal.Interval) {
		if len(gaps) > 0 {
			lists = append(lists, takenList{Part(p), gaps})
		}
	}
	if f != nil {
		for _, p := range f.Taken {
			add(p, redrive.Gaps(settled, f.Redrive, p))
		}
		for _, w := range f.Waiting {
			add(w.Part, redrive.Gaps(settled, w.Redrive, w.Part))
		}
	}
	released := runfolder.LatestRelease(commits)
	if released == nil {
		return lists, nil
	}
	e := &journal.Release{Number: released.Number}
	for _, p := range released.Taken {
		add(p, redrive.ReleasedGaps(settled, e, journal.ReleasedPart(p)))
	}
	return lists, runfolder.CheckLists(folder, released.Taken)
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
