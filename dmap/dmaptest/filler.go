package dmaptest

import (
	"testing"

	"github.com/go-dmap/dmap/dmap"
)

// filled compares what a Filler puts in place with what it reads: spaces of several lengths, from the start of each split and
// from cursors inside it.
func (p planned[T]) filled(tb testing.TB) {
	filler, ok := p.src.(dmap.Filler[T])
	if !ok {
		return
	}
	for i, s := range p.splits {
		for _, length := range []int{1, 7, len(p.parts[i]), len(p.parts[i]) + 1} {
			if length > 0 {
				p.fills(tb, filler, s, p.parts[i], length)
			}
		}
		for _, j := range some(len(p.parts[i])) {
			p.fills(tb, filler, p.from(i, j), p.parts[i][j+1:], 7)
		}
	}
}

// fills reads s by spaces of a length.
func (p planned[T]) fills(tb testing.TB, filler dmap.Filler[T], s dmap.Split, want []dmap.Item[T], length int) {
	tb.Helper()
	var got []dmap.Item[T]
	for rest := s; ; {
		space := make([]dmap.Item[T], length)
		n, err := filler.Fill(tb.Context(), rest, space)
		if err != nil || n < 0 || n > length {
			tb.Fatalf("split %q from %+v: Fill returns %d for a space of %d (error: %v)", s.ID, rest.From, n, length, err)
		}
		got = append(got, space[:n]...)
		if n < length || len(got) > len(want) {
			break
		}
		rest.From = space[n-1].Next
	}
	if d := p.by.diff(got, want, false); d != "" {
		tb.Fatalf("split %q from %+v, filled into spaces of %d, compared with Read: %s", s.ID, s.From, length, d)
	}
}
