package leaserun

import (
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/stopread"
)

// unread returns the splits of the lease that its run has left, in order: parts of those that the
// engine has got, and the others without the parts that earlier attempts have settled.
func (s *source[T]) unread(left stopread.Left) (out []dmap.Split) {
	passed := min(int(s.passed.Load()), len(s.splits))
	for _, part := range left.Parts {
		i := slices.IndexFunc(s.splits[:passed], func(of dmap.Split) bool { return covers(of, part) })
		if i < 0 { // the report has it
			continue
		}
		split := s.splits[i]
		split.From, split.To = dmap.Cursor(part.From), dmap.Cursor(part.To)
		out = append(out, split)
	}
	return inOrder(append(out, rest(s.splits[passed:], left.Settled)...))
}

// covers reports whether part lies within a split.
func covers(s dmap.Split, part journal.Interval) bool {
	end := journal.Cursor(s.To)
	return s.ID == part.Split && part.From.Compare(journal.Cursor(s.From)) >= 0 &&
		(end == (journal.Cursor{}) || part.To != (journal.Cursor{}) && part.To.Compare(end) <= 0)
}
