package listing

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Where to cut a listing is a guess: the keys are not known yet. It needs no check, because ranges tile the space of all
// keys whatever lies in them; a bad guess costs a request. What is learned: which bytes keys have at each place, that is
// at each position of each directory level, and which of those that could be there were looked for in vain.

// Places further down tell nothing that is worth a cut.
const (
	maxDepth = 16
	maxPlace = 96
)

// set is a set of bytes.
type set [4]uint64

func (s *set) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *set) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s *set) len() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

func (s *set) addRange(from, to byte) {
	for b := int(from); b <= int(to); b++ {
		s.add(byte(b))
	}
}

// bytes returns the members in order.
func (s *set) bytes() []byte {
	var out []byte
	for b := range 256 {
		if s.has(byte(b)) {
			out = append(out, byte(b))
		}
	}
	return out
}

// place is what is known of one position of one directory level.
type place struct{ seen, absent set }

// guess is what has been learned of the keys under a prefix.
type guess struct {
	prefix int // its length
	places [maxDepth][maxPlace]*place
	mixed  [maxDepth]set // all bytes of those places of a level that have letters and digits
}

// walk calls f with the depth and the position of each byte of key behind the prefix.
func (g *guess) walk(key string, f func(i, depth, pos int) bool) {
	depth, pos := 0, 0
	for i := min(g.prefix, len(key)); i < len(key); i++ {
		if depth < maxDepth && pos < maxPlace && !f(i, depth, pos) {
			return
		}
		if pos++; key[i] == '/' {
			depth, pos = depth+1, 0
		}
	}
}

// learn takes note of a key.
func (g *guess) learn(key string) {
	g.walk(key, func(i, depth, pos int) bool {
		p := g.places[depth][pos]
		if p == nil {
			p = new(place)
			g.places[depth][pos] = p
		}
		if !p.seen.has(key[i]) {
			p.seen.add(key[i])
			g.mix(depth, &p.seen)
		}
		return true
	})
}

// empty takes note that no key lies in (lo, hi], where lo is a cut and ends in a guessed byte.
func (g *guess) empty(lo, hi string) {
	last := len(lo) - 1
	g.walk(lo, func(i, depth, pos int) bool {
		p := g.places[depth][pos]
		if i != last || p == nil {
			return true
		}
		to := byte(0xff)
		if len(hi) > last && hi[:last] == lo[:last] {
			to = hi[last] - 1
		}
		if to >= lo[last] {
			p.absent.addRange(lo[last], to)
		}
		return false
	})
}

// The alphabets that keys are made of: a digit at one place means that there may be others.
var (
	digits  = members("0123456789")
	letters = members("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	classes = []set{
		digits,
		members("abcdefghijklmnopqrstuvwxyz"),
		members("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
		members("0123456789abcdef"),
		members("0123456789ABCDEF"),
		members("0123456789abcdefghijklmnopqrstuvwxyz"),
		members("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
		members("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
	}
)

// mix takes note of a place with letters and digits: then others of the level may have both.
func (g *guess) mix(depth int, seen *set) {
	if !seen.meets(&digits) || !seen.meets(&letters) {
		return
	}
	for i := range seen {
		g.mixed[depth][i] |= seen[i]
	}
}

func (s *set) meets(o *set) bool {
	return s[0]&o[0]|s[1]&o[1]|s[2]&o[2]|s[3]&o[3] != 0
}

func members(text string) (s set) {
	for i := range len(text) {
		s.add(text[i])
	}
	return s
}

func alphanumeric(b byte) bool { return classes[len(classes)-1].has(b) }

// alphabet returns the bytes that may stand at a place, in order, and whether only one has been seen there: then the
// others are speculation. Punctuation stays what it is.
func (g *guess) alphabet(depth, pos int) (all []byte, constant bool) {
	if depth >= maxDepth || pos >= maxPlace || g.places[depth][pos] == nil {
		return nil, true
	}
	p := g.places[depth][pos]
	union := p.seen
	if p.seen.meets(&digits) || p.seen.meets(&letters) {
		class := g.class(depth, &p.seen)
		for i := range union {
			union[i] |= class[i] &^ p.absent[i]
		}
	}
	return union.bytes(), p.seen.len() == 1
}

// class is the smallest alphabet for the letters and digits that were seen at a place, and at places with both.
func (g *guess) class(depth int, seen *set) set {
	all := &classes[len(classes)-1]
	for _, class := range classes {
		fits := true
		for i := range class {
			fits = fits && (g.mixed[depth][i]|seen[i])&all[i]&^class[i] == 0
		}
		if fits {
			return class
		}
	}
	return *all
}

// share is where key lies among all that have the same first bytes, from 0 to 1, as far as places from on tell.
func (g *guess) share(key string, from int) float64 {
	share, scale := 0.0, 1.0
	g.walk(key, func(i, depth, pos int) bool {
		if i < from {
			return true
		}
		if all, constant := g.alphabet(depth, pos); !constant && len(all) > 1 {
			scale /= float64(len(all))
			share += scale * float64(rank(all, key[i]))
		}
		return scale > 1e-15
	})
	return share
}

// rank counts the bytes of an alphabet that come before b.
func rank(all []byte, b byte) int {
	n := 0
	for n < len(all) && all[n] < b {
		n++
	}
	return n
}

// done is which part of the range from start to hi lies before at, as far as is known; hi is empty for the end of all.
func (g *guess) done(start, at, hi string) float64 {
	from := common(at, hi)
	to := 1.0
	if hi != "" && from < len(hi) && g.varies(hi, from) {
		to = g.share(hi, from)
	} else if hi != "" {
		from++ // the range ends with what begins like at
	}
	begin := 0.0
	if len(start) >= from && len(at) >= from && start[:from] == at[:from] {
		begin = g.share(start, from)
	}
	now := g.share(at, from)
	if to <= begin {
		return 1
	}
	return min(1, max(0, (now-begin)/(to-begin)))
}

// varies says whether more than one byte was seen at place i of key.
func (g *guess) varies(key string, i int) bool {
	varies := false
	g.walk(key, func(j, depth, pos int) bool {
		if j == i {
			_, constant := g.alphabet(depth, pos)
			varies = !constant
		}
		return j < i
	})
	return varies
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// middle returns a key about in the middle of (lo, hi], at the first place that more than one byte was seen at.
func (g *guess) middle(lo, hi string) (cut string, ok bool) {
	return g.cut(lo, hi, func(_ int, more []byte, constant bool) (byte, bool) {
		if constant || len(more) == 0 {
			return 0, false
		}
		return more[(len(more)-1)/2], true
	})
}

// beyond returns a key behind all that begin like lo up to a place where nothing else was seen yet, within the first wide
// bytes: behind those the keys of one page differ, so that there is nothing to gain.
func (g *guess) beyond(lo, hi string, wide int) (cut string, ok bool) {
	wide = min(wide, len(lo))
	return g.cut(lo, hi, func(i int, more []byte, constant bool) (byte, bool) {
		if i >= wide || !constant || len(more) == 0 {
			return 0, false
		}
		if word := lo[i+1 : wide]; letters.has(lo[i]) && len(word) > 0 && letters.has(word[0]) {
			return 0, false // the end of a word is cut for all of it
		}
		return more[0], true
	})
}

// anywhere is middle for a range that goes on although nothing more was expected: any letter or digit may come.
func (g *guess) anywhere(lo, hi string) (cut string, ok bool) {
	all := classes[len(classes)-1].bytes()
	return g.cut(lo, hi, func(i int, _ []byte, _ bool) (byte, bool) {
		at := rank(all, lo[i]+1)
		if at == len(all) || !alphanumeric(lo[i]) {
			return 0, false
		}
		return all[at+(len(all)-1-at)/2], true
	})
}

// cut looks for a place of lo where pick finds a byte for the cut: more are those behind lo's own that may stand there and
// lie before hi.
func (g *guess) cut(lo, hi string, pick func(i int, more []byte, constant bool) (byte, bool)) (cut string, ok bool) {
	from := common(lo, hi)
	g.walk(lo, func(i, depth, pos int) bool {
		if i < from || lo[i] >= utf8.RuneSelf || lo[i] == 0xff {
			return true
		}
		all, constant := g.alphabet(depth, pos)
		more := all[rank(all, lo[i]+1):]
		if i == from && hi != "" {
			end := rank(more, hi[i])
			if len(hi) > i+1 && end < len(more) && more[end] == hi[i] {
				end++ // the keys that begin like hi, up to hi
			}
			more = more[:end]
		}
		b, found := pick(i, more, constant)
		if !found || b >= utf8.RuneSelf {
			return true
		}
		cut = lo[:i] + string(rune(b))
		ok = cut > lo && (hi == "" || cut < hi) && utf8.ValidString(cut) && !strange(cut)
		return !ok
	})
	return cut, ok
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
