package listing

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
)

// Where to split a listing is a guess, because the keys are not known yet. The guess needs no
// check: ranges tile the space of all keys, whatever keys exist. A bad guess costs one request.

// Split picks one of the ranges that are being read, whose From is the position of the reader, and
// a key inside it: the reader keeps the keys up to that key, another reader takes those after it.
// ok is false if no range is worth it, if too many requests were wasted, and before the store has
// shown that it starts a listing after a key, which the second page does.
func (l *Lister) Split(_ context.Context, reading []Range) (which int, at string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seeking != proven {
		return 0, "", false
	}
	open := l.openRanges(reading)
	var o openRange
	if l.budget.allowsProbe() {
		o, at, ok = l.explore(open)
	}
	if !ok && l.budget.allowsHalf(l.unanswered(), l.manyBytes) {
		o, at, ok = l.halveLargest(open)
	}
	return o.which, at, ok
}

// openRange is the unread part of a range.
type openRange struct {
	which  int // its index in the argument of Split
	lo, hi string
	path   *path
	list   []keyRange
	keys   float64 // estimated
	reader *reader // nil: none has started yet
}

// openRanges returns the unread parts of the ranges of which enough is known to split them. The
// caller holds mu.
func (l *Lister) openRanges(reading []Range) []openRange {
	var out []openRange
	for i, g := range reading {
		o := openRange{which: i, lo: g.From, hi: g.To, reader: l.readerOf(g)}
		plan := l.plans[g.From]
		if o.reader != nil {
			plan = o.reader.plan
		}
		switch r := o.reader; {
		case r != nil && (r.ended || g.To != "" && r.frontier >= g.To):
			continue
		case r != nil && r.pages > 0:
			o.lo, o.path = max(r.frontier, g.From), &r.path
		case plan != nil && !plan.probe:
			o.path = plan.path
		default:
			continue
		}
		o.list, o.keys = o.path.remaining(&l.alphabet, o.lo, o.hi)
		out = append(out, o)
	}
	return out
}

// readerOf returns the reader that has come to g.From, nil if there is none.
func (l *Lister) readerOf(g Range) *reader {
	var found *reader
	for r := range l.readers {
		if r.start <= g.From && g.From <= max(r.frontier, r.start) && (found == nil || r.start > found.start) {
			found = r
		}
	}
	return found
}

// maxPlans bounds the plans of splits that were not used, because the range had ended meanwhile: no
// reader will take them. It is at least the number of readers. A range whose plan was dropped is
// first split after its first page.
const maxPlans = 512

// addPlan records the plan of the range after a split of o.
func (l *Lister) addPlan(o openRange, split string, probe bool) {
	if len(l.plans) >= maxPlans {
		clear(l.plans)
	}
	l.plans[split] = &plan{path: o.path.clone(), probe: probe, end: o.hi}
}

// explore splits a range at a byte that was not seen yet at its position. The new range extends to
// the end of the old one, so one request finds the next key that exists there, whatever its bytes
// are.
func (l *Lister) explore(open []openRange) (o openRange, split string, ok bool) {
	for _, o := range open {
		if o.reader == nil || o.reader.pages == 0 {
			continue
		}
		constant, varied := l.gaps(o)
		// Among the positions with a single byte the loop starts in the middle: one probe there
		// tells about half of them. The later half comes first, because it is more likely to have
		// other bytes. In a long common name the last one comes first: if nothing follows it, the
		// others need no probe.
		if len(constant) > longName {
			slices.Reverse(constant[len(constant)/2:])
		}
		for i := len(constant) / 2; i < len(constant); i++ {
			if split, ok := l.probe(o, constant[i].p, constant[i].bytes[0]); ok {
				return o, split, true
			}
		}
		for _, g := range varied {
			b := g.bytes[0]
			if len(g.bytes) >= manyUnseen {
				b = g.bytes[len(g.bytes)/2] // the next probe of this range takes a smaller one
			}
			if split, ok := l.probe(o, g.p, b); ok {
				return o, split, true
			}
		}
		if split, ok := l.probeNextDirectory(o); ok {
			return o, split, true
		}
	}
	return o, "", false
}

// gap holds the bytes that keys may have at a position and that have not been seen.
type gap struct {
	p     int
	bytes []byte
}

// gaps returns the positions that may have bytes not seen yet: those at which all keys have one
// byte, and the others.
func (l *Lister) gaps(o openRange) (constant, varied []gap) {
	ahead, next := 0.0, 0 // keys of o.list with prefix at[:p]
	for p := len(o.path.at) - 1; p >= o.path.firstChange(&l.alphabet, o.hi); p-- {
		for ; next < len(o.list) && o.list[next].p > p; next++ {
			ahead += o.list[next].keys()
		}
		keys := ahead + float64(o.path.keysUnder(p))
		g := gap{p, o.path.unexplored(&l.alphabet, p, o.hi, keys)}
		switch stats := l.alphabet.lookup(o.path.positions[p]); {
		case len(g.bytes) == 0, !l.mayProbe(o, stats):
		case stats.seen.len() == 1:
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
	// longName is the number of positions with a single byte from which on probes begin at the last
	// one. With a smaller number, hours and days are found later; with a larger one, 20,000 keys
	// with a prefix of 900 bytes take a fifth more requests.
	longName = 12
	// manyUnseen is the number of unseen bytes from which on a probe takes the middle one instead
	// of the lowest. With a smaller number, dates that do not exist are probed; with a larger one,
	// random letters are found one by one.
	manyUnseen = 6
	// probeInterval is the number of pages for which other readers do not probe a position, because
	// the answer to the first probe is on its way. With fewer pages, the position is probed twice;
	// with more, a reader with prefixes of another kind waits for nothing.
	probeInterval = 64
)

// mayProbe reports whether no other reader's probe of that position is under way.
func (l *Lister) mayProbe(o openRange, stats *positionStats) bool {
	return stats.probedBy == 0 ||
		stats.probedBy == o.reader.number && stats.probedAt == l.pages ||
		l.pages >= stats.probedAt+probeInterval
}

// probe splits o before the keys with prefix at[:p] and byte b at position p.
func (l *Lister) probe(o openRange, p int, b byte) (split string, ok bool) {
	split, ok = splitKey(o.path.with(p, b), o.lo, o.hi)
	if ok {
		l.addPlan(o, split, true)
		if stats := l.alphabet.lookup(o.path.positions[p]); stats != nil { // nil in a long name
			stats.probedAt, stats.probedBy = l.pages, o.reader.number
		}
	}
	return split, ok
}

// probeNextDirectory splits the last range after the directory of its reader, if that directory is
// large. It does not look at the bytes that were seen: the next directory may have a name of any
// kind.
func (l *Lister) probeNextDirectory(o openRange) (split string, ok bool) {
	slash := strings.LastIndexByte(o.path.at, '/')
	if o.hi != "" || slash < l.alphabet.prefixLen {
		return "", false
	}
	inside := 0.0
	for _, r := range o.list {
		if r.p > slash {
			inside += r.keys()
		}
	}
	if inside < worthSplitting {
		return "", false
	}
	return l.probe(o, slash, '/'+1)
}

// halveLargest splits the range with most keys left that can be split: a large range that cannot
// must not block the others.
func (l *Lister) halveLargest(open []openRange) (o openRange, split string, ok bool) {
	slices.SortStableFunc(open, func(a, b openRange) int { return cmp.Compare(b.keys, a.keys) })
	for _, o := range open {
		if o.keys < worthSplitting {
			break
		}
		split, ok := o.path.splitAfter(&l.alphabet, o.list, keysToKeep(o.keys), o.lo, o.hi)
		if ok {
			l.addPlan(o, split, false)
			return o, split, true
		}
	}
	return o, "", false
}

const (
	// fewKeys is the number of keys that are estimated well enough to make the parts end with a
	// full page.
	fewKeys = 8 * cloudPage
	// pageMargin is how much less than full those pages are planned, because one key too many costs
	// one more page.
	pageMargin = 0.15 * cloudPage
)

// keysToKeep returns how many of the keys stay with their reader, so that both parts take the same
// time: the reader has half a page in flight on average. If there are few pages, all but the last
// are planned full.
func keysToKeep(keys float64) float64 {
	keep := keys/2 + cloudPage/4
	if keys < fewKeys {
		keep = math.Round(keep/cloudPage)*cloudPage - pageMargin
	}
	return max(cloudPage, keep)
}
