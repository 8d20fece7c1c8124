package listing

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// path is what a reader has seen on the way to the key that it has come to, by position of that key.
type path struct {
	start   string // the range begins behind it
	at      string
	count   int   // keys, at included
	begun   []int // [p]: keys that came before the first that begins like at[:p]
	passed  []int // [p]: bytes that came before at[p] behind at[:p]
	spots   []spot
	scratch []spot
}

// step goes on to key, the next one. What lies behind it in the listing is known to a.
func (w *path) step(a *alphabet, key string) {
	same, turns, keys := 0, false, 0
	if w.count > 0 {
		same = common(w.at, key)
		w.leave(a, same)
		if turns = same < min(len(w.at), len(key)); turns {
			keys = w.count - w.begun[same+1]
		}
	}
	w.scratch, w.spots = w.spots, a.spots(key, w.scratch)
	w.begun, w.passed = resized(w.begun, len(key)+1), resized(w.passed, len(key)+1)
	if turns {
		w.passed[same]++
	} else {
		w.passed[same] = 0
	}
	for p := same + 1; p <= len(key); p++ {
		w.begun[p], w.passed[p] = w.count, 0
	}
	for p := max(same, a.prefix); p < len(key); p++ {
		if place := a.note(w.spots[p]); place != nil {
			place.add(w.spots[p], key[:p], key[p])
		}
	}
	if turns {
		if place := a.at(w.spots[same]); place != nil {
			place.follows(w.at[same], key[same], keys)
		}
	}
	w.count++
	w.at = key
}

// leave notes what followed the beginnings of at that have come to their end.
func (w *path) leave(a *alphabet, same int) {
	missed := common(w.start, w.at)
	for p := max(same+1, a.prefix); p < len(w.at); p++ {
		place := a.note(w.spots[p])
		if place == nil {
			continue
		}
		place.end(w.spots[p], w.at[:p], w.at[p], w.count-w.begun[p+1])
		if w.begun[p] > 0 || p > missed || p >= len(w.start) { // it was listed from its start
			place.whole++
			place.keys += w.count - w.begun[p]
		}
	}
}

func resized(list []int, n int) []int {
	for len(list) < n {
		list = append(list, 0)
	}
	return list[:n]
}

func (w *path) clone() *path {
	return &path{start: w.start, at: w.at, count: w.count, begun: slices.Clone(w.begun), passed: slices.Clone(w.passed), spots: slices.Clone(w.spots)}
}

// branch is what may follow behind at: all keys that begin like at[:p] and go on with b.
type branch struct {
	p    int
	b    byte
	keys float64 // about
}

// ahead returns what is expected behind at in (at, hi], in order of keys.
//
// What a branch holds is what the ones before it at the same position did. Where there were none, it is what the one
// does that at lies in; but a directory that has many times the keys of others tells nothing about its neighbours.
func (w *path) ahead(a *alphabet, hi string) (out []branch) {
	first := w.first(a, hi)
	below, crowded := 0.0, false // keys expected behind at that begin like at[:p+1]; at lies in a crowded directory
	for p := len(w.at) - 1; p >= first; p-- {
		here := float64(w.count - w.begun[p+1])
		inside := w.known(a, p+1)
		if w.at[p] == '/' {
			if inside != nil {
				below = shrink(out, below, here, crowd*inside.mean())
			}
			crowded = inside != nil && inside.crowded(here+below)
		}
		each := here + below
		switch {
		case crowded && w.passed[p] < few && inside != nil:
			each = inside.mean()
		case w.passed[p] > 0:
			each = float64(w.begun[p+1]-w.begun[p]) / float64(w.passed[p])
		}
		for _, o := range w.options(a, p) {
			if p == first && p < len(hi) && o.b > hi[p] {
				break
			}
			keys := each * o.likely
			below += keys
			if !o.beyond {
				out = append(out, branch{p, o.b, keys})
			}
		}
	}
	return out
}

// known returns the place of at[p] if enough beginnings like at[:p] were listed whole to tell about others.
func (w *path) known(a *alphabet, p int) *place {
	if p == len(w.at) {
		return nil
	}
	if place := a.at(w.spots[p]); place != nil && place.whole >= few {
		return place
	}
	return nil
}

// shrink makes the branches of a directory that has so many keys here, and as many as sum below, hold no more than most
// directories do, unless it has more already: that one had more does not mean that each goes on like that.
func shrink(branches []branch, sum, here, most float64) float64 {
	if here > most || sum <= most {
		return sum
	}
	for i := range branches {
		branches[i].keys *= most / sum
	}
	return most
}

// first is the first position at which a key in (at, hi] may differ from at.
func (w *path) first(a *alphabet, hi string) int {
	if hi == "" {
		return a.prefix
	}
	return max(a.prefix, common(w.at, hi))
}

// option is a byte that may come after at[p] behind at[:p].
type option struct {
	b      byte
	likely float64
	beyond bool // all that were seen, where ends are not known: it is explored before anything is cut there
}

func (w *path) options(a *alphabet, p int) (out []option) {
	place := a.at(w.spots[p])
	if place == nil || place.seen.len() < 2 {
		return nil
	}
	sure := max(place.sure(), w.dense(place, p))
	if sure <= 0 {
		return nil
	}
	between := place.between()
	least, most := lowest(&place.seen), highest(&place.seen)
	alphabet := a.likely(w.at, w.spots, p)
	for b, last := int(w.at[p])+1, int(place.last(w.spots[p], w.at[:p])); b <= last; b++ {
		switch b := byte(b); {
		case place.seen.has(b):
			out = append(out, option{b, sure, false})
		case !alphabet.has(b), place.absent.has(b), b < least:
		case b > most:
			if place.ends == 0 {
				out = append(out, option{b, unseen, true})
			}
		case between > 0:
			out = append(out, option{b, between, false})
		}
	}
	return out
}

// dense is which part of the bytes before at[p] this reader has met behind at[:p], if it has seen enough to tell: that
// beginning may be fuller than others.
func (w *path) dense(place *place, p int) float64 {
	if w.passed[p] == 0 || w.count-w.begun[p] < cloudPage/2 {
		return 0
	}
	before := place.seen.below(w.at[p])
	if w.begun[p] == 0 && p < len(w.start) && w.start[:p] == w.at[:p] {
		before -= place.seen.below(w.start[p])
	}
	return min(1, float64(w.passed[p])/float64(max(1, before)))
}

const (
	// few is how many examples do not tell yet what others are like. With less, chance decides where cuts go; with more,
	// what is known by now is looked for again.
	few = 3
	// usual is how likely bytes are where most of them follow every beginning: digits are, letters of words are not. With
	// less, each word is searched for more letters; with more, each new digit waits for a reader to come to it.
	usual = 0.6
	// crowd is how many times the keys of others make a beginning one of another kind. With less, what differs by chance is
	// explored as if nothing was known; with more, a large directory among small ones is long read by one.
	crowd = 4
)

// unknown returns the bytes behind all that were seen at position p that may follow at[:p], which has about so many keys, if
// nobody has looked for them. Where it has many, beginnings tend to be followed by all there is, and few of them are known,
// what others had does not count; nor where it has many more than they.
func (w *path) unknown(a *alphabet, p int, hi string, keys float64) (list []byte) {
	place := a.at(w.spots[p])
	if place == nil {
		return nil
	}
	anew := place.crowded(keys) || keys >= worthCutting && place.seen.len() > 1 && place.ends < few && place.sure() >= usual
	if place.ends > 0 && !anew {
		return nil
	}
	vain := place.absent
	if dir, _ := cutDir(w.at[:p]); anew && !strings.HasPrefix(place.vain, dir) {
		vain = set{}
	}
	likely := a.likely(w.at, w.spots, p)
	for b := int(highest(&place.seen)) + 1; b < 256; b++ {
		if p < len(hi) && b >= int(hi[p]) && p == w.first(a, hi) {
			break
		}
		if likely.has(byte(b)) && !vain.has(byte(b)) {
			list = append(list, byte(b))
		}
	}
	return list
}

func lowest(s *set) byte {
	for b := range 256 {
		if s.has(byte(b)) {
			return byte(b)
		}
	}
	return 0
}

func highest(s *set) byte {
	for b := 255; b > 0; b-- {
		if s.has(byte(b)) {
			return byte(b)
		}
	}
	return 0
}

// share is which part of the keys that begin like key[:from] lies before key, as far as places tell.
func (a *alphabet) share(key string, from int) float64 {
	share, scale := 0.0, 1.0
	spots := a.spots(key, nil)
	for i := from; i < len(key) && scale > 1e-9; i++ {
		p := a.at(spots[i])
		if p == nil {
			break
		}
		n, before := 0, 0
		for b := range 256 {
			if p.seen.has(byte(b)) {
				n++
				if b < int(key[i]) {
					before++
				}
			}
		}
		share += scale * float64(before) / float64(max(n, 1))
		scale /= float64(max(n, 1))
	}
	return min(1, share)
}

// stretch is the part of a branch that lies in a range: from and to are shares of its keys.
type stretch struct {
	branch
	from, to float64
}

func (s stretch) keys() float64 { return s.branch.keys * (s.to - s.from) }

// rest returns what is expected in (lo, hi], where lo does not lie before at.
func (w *path) rest(a *alphabet, lo, hi string) (list []stretch, sum float64) {
	branches := w.ahead(a, hi)
	same := common(w.at, lo)
	for _, b := range branches {
		s := stretch{b, 0, 1}
		if lo > w.at {
			switch {
			case b.p > same, b.p == same && same < len(lo) && b.b < lo[same]:
				continue
			case b.p == same && same < len(lo) && b.b == lo[same]:
				s.from = a.share(lo, same+1)
			}
		}
		if hi != "" && strings.HasPrefix(hi, w.at[:b.p]) && b.p < len(hi) && hi[b.p] == b.b {
			s.to = a.share(hi, b.p+1)
		}
		if s.to > s.from {
			list = append(list, s)
			sum += s.keys()
		}
	}
	return list, sum
}

// fine is how many keys more or less a cut may leave on one side.
const fine = cloudPage / 8

// cutAt returns a key in (lo, hi) with about so many of the keys of list before it.
func (w *path) cutAt(a *alphabet, list []stretch, keys float64, lo, hi string) (cut string, ok bool) {
	i := 0
	for i < len(list)-1 && keys > list[i].keys() {
		keys -= list[i].keys()
		i++
	}
	if len(list) == 0 {
		return "", false
	}
	share := list[i].from + (list[i].to-list[i].from)*keys/max(1, list[i].keys())
	if cut, ok = usable(w.inside(a, list[i].branch, min(share, 1)), lo, hi); ok {
		return cut, true
	}
	for _, s := range slices.Concat(list[i:], list[:i]) {
		if cut, ok = usable(w.at[:s.p]+string([]byte{s.b}), lo, hi); ok {
			return cut, true
		}
	}
	return "", false
}

// inside returns a beginning of keys in branch with a share of its keys before it.
func (w *path) inside(a *alphabet, branch branch, share float64) string {
	cut := append([]byte(w.at[:branch.p]), branch.b)
	next, left := w.spots[branch.p].after(branch.b), branch.keys
	for left > fine && len(cut) < len(w.at)+8 {
		p := a.at(next)
		if p == nil || share <= 0 {
			break
		}
		n := p.seen.len()
		if n == 0 {
			break
		}
		nth := min(n-1, int(share*float64(n)))
		share = share*float64(n) - float64(nth)
		left /= float64(n)
		b := nthByte(&p.seen, nth)
		cut = append(cut, b)
		next = next.after(b)
	}
	return string(cut)
}

func nthByte(s *set, n int) byte {
	for b := range 256 {
		if s.has(byte(b)) {
			if n == 0 {
				return byte(b)
			}
			n--
		}
	}
	return 0
}

// usable makes a cut valid UTF-8, by the smallest bytes that do, and says whether a listing can begin there.
func usable(cut, lo, hi string) (string, bool) {
	for range utf8.UTFMax {
		if utf8.ValidString(cut) {
			break
		}
		grown := false
		for _, b := range []byte{0x80, 0x90, 0xa0} { // 0x90 behind 0xf0, 0xa0 behind 0xe0
			if try := cut + string([]byte{b}); utf8.ValidString(try) || !utf8.FullRuneInString(lastRune(try)) {
				cut, grown = try, true
				break
			}
		}
		if !grown {
			return "", false
		}
	}
	return cut, utf8.ValidString(cut) && cut > lo && (hi == "" || cut < hi) && !strange(cut)
}

// lastRune is text from its last byte on that begins a rune.
func lastRune(text string) string {
	i := len(text) - 1
	for i > 0 && !utf8.RuneStart(text[i]) {
		i--
	}
	return text[i:]
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// strange says that a store may keep key in another place than that of its bytes: gocloud's drivers write some characters
// differently.
func strange(key string) bool {
	for i := range len(key) {
		if key[i] < ' ' {
			return true
		}
	}
	return strings.Contains(key, "../") || strings.Contains(key, "//") || strings.Contains(key, "__0x")
}
