package dmaptest

import (
	"testing"

	"github.com/go-dmap/dmap/dmap"
)

// resumed has a Resumer plan the rest of the source behind some cursors, up to which the splits of an ID are settled.
func (p planned[T]) resumed(tb testing.TB) {
	resumer, ok := p.src.(dmap.Resumer)
	if !ok {
		return
	}
	for i, part := range p.parts {
		for _, j := range some(len(part)) {
			p.behind(tb, resumer, i, j)
		}
	}
}

// behind compares what is left behind item j of split i with what Resume leaves.
func (p planned[T]) behind(tb testing.TB, resumer dmap.Resumer, i, j int) {
	tb.Helper()
	done := dmap.Split{ID: p.splits[i].ID, To: p.parts[i][j].Next}
	left := dmap.Unread{After: &done}.Remaining() // the run takes what is settled out of a split
	settled := func(id string) dmap.Cursor {
		if id == done.ID {
			return done.To
		}
		return dmap.Cursor{}
	}
	splits, err := collect(resumer.Resume(tb.Context(), settled), -1)
	if err != nil {
		tb.Fatalf("resume behind item %d of split %q: %v", j, done.ID, err)
	}
	var got []dmap.Item[T]
	for _, planned := range splits {
		for _, s := range left(planned) {
			items, err := collect(p.src.Read(tb.Context(), s), -1)
			if err != nil {
				tb.Fatalf("read of split %q from %+v, of a plan behind item %d: %v", s.ID, s.From, j, err)
			}
			got = append(got, items...)
		}
	}
	var want []dmap.Item[T]
	for k, s := range p.splits {
		switch {
		case k == i:
			want = append(want, p.parts[k][j+1:]...)
		case k > i || s.ID != done.ID:
			want = append(want, p.parts[k]...)
		}
	}
	if d := p.by.diff(got, want, false); d != "" {
		tb.Fatalf("resume behind item %d of split %q, compared with what follows: %s", j, done.ID, d)
	}
}
