package dmaptest

import (
	"testing"

	"github.com/go-dmap/dmap/dmap"
)

// fillAll compares Fill with Read: with slices of several lengths, from the start of each split and
// from cursors inside it.
func (p planned[T]) fillAll(tb testing.TB) {
	if p.plan.Fill == nil {
		return
	}
	for i, s := range p.splits {
		for _, length := range []int{1, 7, len(p.parts[i]), len(p.parts[i]) + 1} {
			if length > 0 {
				p.fillSplit(tb, s, p.parts[i], length)
			}
		}
		for _, j := range some(len(p.parts[i])) {
			p.fillSplit(tb, p.from(i, j), p.parts[i][j+1:], 7)
		}
	}
}

// fillSplit fills s into slices of a length.
func (p planned[T]) fillSplit(tb testing.TB, s dmap.Split, want []dmap.Item[T], length int) {
	tb.Helper()
	var got []dmap.Item[T]
	for rest := s; ; {
		items := make([]dmap.Item[T], length)
		n, err := p.plan.Fill(tb.Context(), rest, items)
		if err != nil || n < 0 || n > length {
			tb.Fatalf("split %q from %+v: Fill returns %d for %d items (error: %v)", s.ID, rest.From, n, length, err)
		}
		got = append(got, items[:n]...)
		if n < length || len(got) > len(want) {
			break
		}
		rest.From = items[n-1].Next
	}
	if d := p.by.diff(got, want, false); d != "" {
		tb.Fatalf("split %q from %+v, filled %d items at a time, compared with Read: %s", s.ID, s.From, length, d)
	}
}
