package listing

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// splitTolerance is the number of keys by which a split may miss its aim.
const splitTolerance = cloudPage / 8

// splitAfter returns a key in (lo, hi) that has about that number of the keys of list before it. If
// the best key cannot be used, it takes the start of another branch.
func (w *path) splitAfter(a *alphabet, list []keyRange, keys float64, lo, hi string) (key string, ok bool) {
	if len(list) == 0 {
		return "", false
	}
	i := 0
	for i < len(list)-1 && keys > list[i].keys() {
		keys -= list[i].keys()
		i++
	}
	share := list[i].from + (list[i].to-list[i].from)*keys/max(1, list[i].keys())
	if key, ok = splitKey(w.keyInside(a, list[i].branch, min(share, 1)), lo, hi); ok {
		return key, true
	}
	for _, r := range slices.Concat(list[i:], list[:i]) {
		if key, ok = splitKey(w.with(r.p, r.b), lo, hi); ok {
			return key, true
		}
	}
	return "", false
}

// with returns at[:p] followed by b.
func (w *path) with(p int, b byte) string { return w.at[:p] + string([]byte{b}) }

// keyInside returns a prefix of keys of the branch before which that share of its keys lies.
func (w *path) keyInside(a *alphabet, branch branch, share float64) string {
	key := []byte(w.with(branch.p, branch.b))
	next, keys := w.positions[branch.p].after(branch.b), branch.keys
	for keys > splitTolerance && share > 0 && len(key) < len(w.at)+8 {
		stats := a.lookup(next)
		if stats == nil || stats.seen.len() == 0 {
			break
		}
		n := stats.seen.len()
		nth := min(n-1, int(share*float64(n)))
		b := stats.seen.nth(nth)
		key = append(key, b)
		share = share*float64(n) - float64(nth)
		keys /= float64(n)
		next = next.after(b)
	}
	return string(key)
}

// splitKey completes key to valid UTF-8 by the smallest bytes that do, because requests are text.
// ok is false if that is impossible, if key is not in (lo, hi), or if stores may keep it elsewhere
// in their order.
func splitKey(key, lo, hi string) (_ string, ok bool) {
	for range utf8.UTFMax {
		if utf8.ValidString(key) {
			break
		}
		if key, ok = withContinuation(key); !ok {
			return "", false
		}
	}
	return key, utf8.ValidString(key) && key > lo && (hi == "" || key < hi) && !mayBeMoved(key) &&
		!strings.Contains(key, "//")
}

// withContinuation appends the smallest continuation byte that can follow the last rune of key,
// which is incomplete.
func withContinuation(key string) (longer string, ok bool) {
	for _, b := range []byte{0x80, 0x90, 0xa0} { // 0x90 is the smallest after 0xf0, 0xa0 after 0xe0
		longer = key + string([]byte{b})
		if utf8.ValidString(longer) || !utf8.FullRuneInString(lastRune(longer)) {
			return longer, true
		}
	}
	return "", false
}

// lastRune returns the end of text from its last byte that starts a rune.
func lastRune(text string) string {
	i := len(text) - 1
	for i > 0 && !utf8.RuneStart(text[i]) {
		i--
	}
	return text[i:]
}
