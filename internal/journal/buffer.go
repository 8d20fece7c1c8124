package journal

import "slices"

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

// merge leaves the list in order, by split, without intervals that touch. Only the intervals that
// were added since the last merge are sorted.
func (b *Buffer) merge() {
	old, added := b.list[:b.merged], b.list[b.merged:]
	slices.SortFunc(added, compareIntervals)
	var out []Interval
	if len(old) == 0 {
		out = b.list[:0]
	} else {
		out = make([]Interval, 0, len(b.list))
	}
	for len(old) > 0 || len(added) > 0 {
		if len(old) == 0 || len(added) > 0 && compareIntervals(added[0], old[0]) < 0 {
			out = appendInterval(out, added[0])
			added = added[1:]
			continue
		}
		out = appendInterval(out, old[0])
		old = old[1:]
	}
	clear(b.list[min(len(out), len(b.list)):])
	b.list, b.merged = out, len(out)
}
