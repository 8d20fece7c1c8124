package listing

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
)

// Cut picks one of the ranges that are being read, whose From is where each reader is, and a key behind which another
// reader may go on. There is none until the store has shown that it starts behind a key, which the second page does.
func (l *Lister) Cut(_ context.Context, reading []Range) (which int, at string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seeks != proven {
		return 0, "", false
	}
	open := l.open(reading)
	o, at, ok := l.explore(open)
	if !ok {
		o, at, ok = l.halve(open)
	}
	return o.which, at, ok
}

const (
	// worthCutting is how many keys a range must still have: with the page that is on its way some full pages for each part,
	// as each part ends in a page that is not full. A page more costs a tenth of the speed, and saves a twentieth of the requests.
	worthCutting = 3 * cloudPage
	// exact is how many keys are estimated so well that parts can be made to end with a full page.
	exact = 8 * cloudPage
	// margin is how much less than full those pages are to be: if they hold a little more than expected, there is one more.
	margin = 0.15 * cloudPage
)

// uncut is what is left of a range.
type uncut struct {
	which  int
	lo, hi string
	path   *path
	list   []stretch
	keys   float64
	track  *track // nil: nobody reads it yet
}

// plan is what is known of a range before its first page.
type plan struct {
	path  *path // of the reader that it was cut off from
	probe bool  // whether there are keys at all is not known
	end   string
}

// mostPlans bounds those whose cuts came too late, which nobody will read. As many as readers there may be are waited for;
// where they are cleared too early, a range is first cut when its first page is there.
const mostPlans = 512

// plan takes note of what the range behind a cut of o begins with.
func (l *Lister) plan(o uncut, cut string, probe bool) {
	if len(l.plans) >= mostPlans {
		clear(l.plans)
	}
	l.plans[cut] = &plan{path: o.path.clone(), probe: probe, end: o.hi}
}

// open returns what is left of the ranges; mu is held.
func (l *Lister) open(reading []Range) []uncut {
	var out []uncut
	for i, r := range reading {
		o := uncut{which: i, lo: r.From, hi: r.To, track: l.trackOf(r)}
		plan := l.plans[r.From]
		if o.track != nil {
			plan = o.track.plan
		}
		switch t := o.track; {
		case t != nil && (t.ended || r.To != "" && t.frontier >= r.To):
			continue
		case t != nil && t.pages > 0:
			o.lo, o.path = max(t.frontier, r.From), &t.path
		case plan != nil && !plan.probe:
			o.path = plan.path
		default:
			continue
		}
		o.list, o.keys = o.path.rest(&l.alphabet, o.lo, o.hi)
		out = append(out, o)
	}
	return out
}

// explore cuts at a byte that was not seen yet at its place, to see whether there are others. The range behind the cut goes
// on to the end of the other, so that one request tells about all that may be there.
func (l *Lister) explore(open []uncut) (o uncut, cut string, ok bool) {
	for _, o := range open {
		if o.track == nil || o.track.pages == 0 {
			continue
		}
		constant, varied := l.unexplored(o)
		// Half of the places where there is but one byte are left to each side: few requests tell about many of them, and the
		// later ones are more likely to have others.
		for from := len(constant) / 2; from < len(constant); from++ {
			if cut, ok := l.probe(o, constant[from].p, constant[from].bytes[0]); ok {
				return o, cut, true
			}
		}
		for _, v := range varied {
			bytes := v.bytes
			if len(bytes) < many {
				bytes = bytes[:1]
			}
			if cut, ok := l.probe(o, v.p, bytes[len(bytes)/2]); ok { // the next cut of this range takes a smaller one
				return o, cut, true
			}
		}
		if cut, ok := l.nextDirectory(o); ok {
			return o, cut, true
		}
	}
	return o, "", false
}

// nextDirectory cuts the last range behind the directory that it is in, if that is large: names of directories may be of
// any kind, so that what was seen does not tell.
func (l *Lister) nextDirectory(o uncut) (cut string, ok bool) {
	slash := strings.LastIndexByte(o.path.at, '/')
	if o.hi != "" || slash < l.alphabet.prefix {
		return "", false
	}
	inside := 0.0
	for _, s := range o.list {
		if s.p > slash {
			inside += s.keys()
		}
	}
	if inside < worthCutting {
		return "", false
	}
	return l.probe(o, slash, '/'+1)
}

// gap is bytes at a position that may be there.
type gap struct {
	p     int
	bytes []byte
}

// unexplored returns the positions at which there may be other bytes: those at which only one was seen, and the rest.
func (l *Lister) unexplored(o uncut) (constant, varied []gap) {
	expected, next := 0.0, 0 // keys of o.list that begin like at[:p+1]
	for p := len(o.path.at) - 1; p >= o.path.first(&l.alphabet, o.hi); p-- {
		for ; next < len(o.list) && o.list[next].p > p; next++ {
			expected += o.list[next].keys()
		}
		here := expected + float64(o.path.count-o.path.begun[p])
		g := gap{p, o.path.unknown(&l.alphabet, p, o.hi, here)}
		switch place := l.alphabet.at(o.path.spots[p]); {
		case len(g.bytes) == 0, !l.mayAsk(o, place):
		case place.seen.len() == 1:
			constant = append(constant, g)
		default:
			varied = append(varied, g)
		}
	}
	slices.Reverse(constant)
	slices.Reverse(varied)
	return constant, varied
}

const (
	// many unknown bytes are looked for in their middle, too, before the lowest of them: with less, dates are looked for
	// where none are; with more, random letters are found one after the other.
	many = 6
	// again is within how many pages a place is not explored by two readers, as the answer to the first is on its way. With
	// less, it is asked for twice; with more, a reader waits whose beginnings are of another kind.
	again = 64
)

func (l *Lister) mayAsk(o uncut, place *place) bool {
	return place.askedBy == nil || place.askedBy == o.track && place.asked == l.given || l.given >= place.asked+again
}

func (l *Lister) probe(o uncut, p int, b byte) (cut string, ok bool) {
	cut, ok = usable(o.path.at[:p]+string([]byte{b}), o.lo, o.hi)
	if ok {
		l.plan(o, cut, true)
		if place := l.alphabet.at(o.path.spots[p]); place != nil { // the name of a directory may be longer than what is noted
			place.asked, place.askedBy = l.given, o.track
		}
	}
	return cut, ok
}

// halve cuts the range with most keys left that can be cut: one that cannot must not block the others.
func (l *Lister) halve(open []uncut) (o uncut, cut string, ok bool) {
	slices.SortStableFunc(open, func(a, b uncut) int { return cmp.Compare(b.keys, a.keys) })
	for _, o := range open {
		if o.keys < worthCutting {
			break
		}
		cut, ok := o.path.cutAt(&l.alphabet, o.list, half(o.keys), o.lo, o.hi)
		if ok {
			l.plan(o, cut, false)
			return o, cut, true
		}
	}
	return o, "", false
}

// half is how many of so many keys stay with their reader, so that both parts take as long: one page is on its way, half of
// which has passed, as a mean. Of few pages, each but the last is to be full.
func half(keys float64) float64 {
	stay := keys/2 + cloudPage/4
	if keys < exact {
		stay = math.Round(stay/cloudPage)*cloudPage - margin
	}
	return max(cloudPage, stay)
}

// found takes note of what the first page of a range tells about the one that it was cut off from: nothing lies between
// start and first, which is empty if there is nothing up to the end.
func (l *Lister) found(p *plan, start, first string) {
	w := p.path
	last := common(w.at, start) // the position of the byte that was explored, or the one before a cut within a branch
	end := p.end
	if first != "" && (end == "" || first < end) {
		end = first
	}
	from := w.first(&l.alphabet, end)
	for i := from; i <= last && i < len(w.at); i++ {
		place := l.alphabet.note(w.spots[i])
		if place == nil {
			continue
		}
		b, to := int(w.at[i])+1, 256
		if i == last && i < len(start) {
			b = int(start[i])
		}
		if i == last && len(start) > last+1 {
			b++ // what lies before start is not known
		}
		if i == from && i < len(end) {
			to = int(end[i])
		} else if b > 0 {
			place.end(w.spots[i], w.at[:i], byte(b-1), w.count-w.begun[i+1])
		}
		place.vain = w.at[:i]
		for ; b < to; b++ {
			place.absent.add(byte(b))
		}
	}
	if p := common(w.at, first); p < min(len(w.at), len(first)) {
		if place := l.alphabet.at(w.spots[p]); place != nil {
			place.met(w.at[p], first[p], w.count-w.begun[p+1])
		}
	}
	if last < len(w.at) {
		if place := l.alphabet.at(w.spots[last]); place != nil {
			place.askedBy = nil
		}
	}
}

// trackOf finds the range that has come to r.From.
func (l *Lister) trackOf(r Range) *track {
	var found *track
	for t := range l.tracks {
		if t.start <= r.From && r.From <= max(t.frontier, t.start) && (found == nil || t.start > found.start) {
			found = t
		}
	}
	return found
}
