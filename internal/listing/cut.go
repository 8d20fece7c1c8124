package listing

import (
	"cmp"
	"context"
	"slices"
)

// Cut picks one of the ranges that are being read, whose From is where each reader is, and a key behind which another
// reader may go on. There is none as long as the first page holds all, or if the store does not start behind a key.
func (l *Lister) Cut(ctx context.Context, reading []Range) (which int, at string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.starts(ctx, reading) {
		return 0, "", false
	}
	open := l.open(reading)
	// What lies beyond all that was seen may be much or nothing: one request tells, and it tells about all ranges.
	for _, o := range open {
		if !o.fetched {
			continue
		}
		if cut, ok := l.guess.beyond(o.lo, o.to, o.track.wide); ok {
			return o.which, cut, true
		}
	}
	slices.SortFunc(open, func(a, b uncut) int { return cmp.Compare(b.rest, a.rest) })
	for _, o := range open { // one that cannot be cut must not block the others
		if o.rest < worthCutting {
			break
		}
		cut, ok := l.guess.middle(o.lo, o.to)
		if !ok {
			continue
		}
		if left := o.rest * l.guess.done(o.lo, cut, o.to); left >= leastPart && o.rest-left >= leastPart {
			l.plans[cut] = o.rest - left
			return o.which, cut, true
		}
	}
	for _, o := range open {
		if o.track == nil || o.track.pages < (o.track.cuts+1)*surprising {
			continue
		}
		if cut, ok := l.guess.anywhere(o.lo, o.to); ok {
			o.track.cuts++
			return o.which, cut, true
		}
	}
	return 0, "", false
}

// leastPart is how many keys each part of a cut range must have: most of a page.
const leastPart = cloudPage * 3 / 4

// surprising is after how many pages a range that should have ended is cut anywhere.
const surprising = 4

// uncut is what is left of a range.
type uncut struct {
	which   int
	lo, to  string
	rest    float64 // keys, about
	fetched bool    // the store has given a page of it, and has more
	track   *track  // nil: nobody reads it yet
}

// open returns what is left of the ranges; mu is held.
func (l *Lister) open(reading []Range) []uncut {
	var out []uncut
	for i, r := range reading {
		o := uncut{which: i, lo: r.From, to: r.To, track: l.trackOf(r)}
		switch t := o.track; {
		case t == nil:
			o.rest = l.plans[r.From]
		case t.ended, r.To != "" && t.frontier >= r.To:
			continue
		case t.pages == 0:
			o.rest = t.planned
		default:
			o.lo, o.fetched = max(t.frontier, r.From), true
			o.rest = l.rest(t, r.To)
		}
		out = append(out, o)
	}
	return out
}

// rest is about how many keys of t lie before to.
func (l *Lister) rest(t *track, to string) float64 {
	done := l.guess.done(t.start, t.frontier, to)
	if done <= 0 || done >= 1 {
		return 0
	}
	return float64(t.keys) * (1 - done) / done
}

// trackOf finds the range that has come to r.From.
func (l *Lister) trackOf(r Range) *track {
	var found *track
	for t := range l.tracks {
		if t.start <= r.From && r.From <= t.frontier && (found == nil || t.start > found.start) {
			found = t
		}
	}
	return found
}

// starts says whether the store starts behind a key, which it is asked once, when its first page has not held all; mu is
// held, but not meanwhile.
func (l *Lister) starts(ctx context.Context, reading []Range) bool {
	if l.seeks != unproven {
		return l.seeks == proven
	}
	for _, o := range l.open(reading) {
		if !o.fetched {
			continue
		}
		l.mu.Unlock()
		_, err := l.page(ctx, o.lo, 1)
		l.mu.Lock()
		if err == nil {
			l.seeks = proven
		}
		return err == nil
	}
	return false
}
