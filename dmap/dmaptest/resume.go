package dmaptest

import (
	"testing"

	"github.com/go-dmap/dmap/dmap"
)

// resumeAll calls Resume with the items of a split settled up to some of its cursors.
func (p planned[T]) resumeAll(tb testing.TB) {
	if p.plan.Resume == nil {
		return
	}
	for i, part := range p.parts {
		for _, j := range some(len(part)) {
			p.resumeAfter(tb, i, dmap.Split{ID: p.splits[i].ID, To: part[j].Next}, j)
		}
		if len(part) > 0 {
			p.resumeAfter(tb, i, dmap.Split{ID: p.splits[i].ID}, len(part)-1)
		}
	}
}

// resumeAfter settles done, the part of its ID up to item j of split i, and compares the splits of
// Resume with the items that follow. The zero done.To settles all splits of that ID.
func (p planned[T]) resumeAfter(tb testing.TB, i int, done dmap.Split, j int) {
	tb.Helper()
	settled := func(id string) (dmap.Cursor, bool) {
		if id == done.ID {
			return done.To, true
		}
		return dmap.Cursor{}, false
	}
	splits, err := collect(p.plan.Resume(tb.Context(), settled), -1)
	if err != nil {
		tb.Fatalf("resume after item %d of split %q: %v", j, done.ID, err)
	}
	var got []dmap.Item[T]
	for _, s := range splits {
		s, ok := unsettled(s, done)
		if !ok {
			continue
		}
		items, err := collect(p.plan.Read(tb.Context(), s), -1)
		if err != nil {
			tb.Fatalf("read of split %q from %+v, of a resume after item %d: %v", s.ID, s.From, j, err)
		}
		got = append(got, items...)
	}
	var want []dmap.Item[T]
	for k, s := range p.splits {
		switch {
		case k == i:
			want = append(want, p.parts[k][j+1:]...) // none if all is settled
		case s.ID != done.ID, k > i && done.To != (dmap.Cursor{}):
			want = append(want, p.parts[k]...)
		}
	}
	if d := p.by.diff(got, want, false); d != "" {
		tb.Fatalf("resume after item %d of split %q, compared with the items that follow: %s", j, done.ID, d)
	}
}

// unsettled is s without the items that done settles, as the engine reads it. ok is false if none
// remains.
func unsettled(s, done dmap.Split) (rest dmap.Split, ok bool) {
	if s.ID != done.ID {
		return s, true
	}
	if done.To == (dmap.Cursor{}) || s.To != (dmap.Cursor{}) && compare(s.To, done.To) <= 0 {
		return s, false
	}
	if compare(s.From, done.To) < 0 {
		s.From = done.To
	}
	return s, true
}
