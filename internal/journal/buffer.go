package journal

import (
	"cmp"
	"slices"
	"strings"
)

// Buffer collects intervals in any order, and merges them only now and then: a commit window of
// many calls at once has as many gaps, and to keep an IntervalSet at each step would cost more than
// the calls.
type Buffer struct {
	list   []Interval
	merged int // length after the last merge
}

// mergeFrom is the length at which a Buffer merges for the first time.
const mergeFrom = 4096

// Empty reports whether nothing was added since the last Take.
func (b *Buffer) Empty() bool { return len(b.list) == 0 }

// Add adds intervals.
func (b *Buffer) Add(list ...Interval) {
	b.list = append(b.list, list...)
	if len(b.list) >= 2*b.merged+mergeFrom {
		b.merge()
	}
}

// Take empties the buffer and returns its intervals, merged. The result is a copy: it holds the few
// merged intervals, not the memory of all that were added.
func (b *Buffer) Take() []Interval {
	b.merge()
	list := slices.Clone(b.list)
	clear(b.list)
	b.list, b.merged = b.list[:0], 0
	return list
}

// merge leaves the list in order, by split, without intervals that touch.
func (b *Buffer) merge() {
	slices.SortFunc(b.list, func(x, y Interval) int {
		return cmp.Or(strings.Compare(x.Split, y.Split), x.From.Compare(y.From))
	})
	out := b.list[:0]
	for _, v := range b.list {
		if n := len(out); n > 0 && out[n-1].touches(v) {
			if endsBefore(out[n-1].To, v.To) {
				out[n-1].To = v.To
			}
			continue
		}
		out = append(out, v)
	}
	clear(b.list[len(out):])
	b.list, b.merged = out, len(out)
}
