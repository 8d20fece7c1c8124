package listing

import "slices"

// path holds per-byte-position statistics of the keys that a reader has seen, indexed by position
// in the current key.
type path struct {
	start     string // the range starts after it
	at        string // the current key: the last one seen
	count     int    // keys seen, at included
	positions []position
	spare     []position // memory for the next positions

	// begun[p]: number of keys listed before the first key with prefix at[:p]
	begun []int
	// passed[p]: number of distinct bytes seen at position p, under prefix at[:p], before at[p]
	passed []int
}

// keysUnder returns the number of keys seen with prefix at[:p].
func (w *path) keysUnder(p int) int { return w.count - w.begun[p] }

// advance makes key, the next one of the listing, the current key, and updates the statistics of a.
func (w *path) advance(a *alphabet, key string) {
	same := 0         // length of the common prefix of at and key
	branched := false // at and key have different bytes after it
	keys := 0         // if branched: keys seen under the byte of at
	if w.count > 0 {
		same = commonPrefixLen(w.at, key)
		w.closePrefixes(a, same)
		if branched = same < min(len(w.at), len(key)); branched {
			keys = w.keysUnder(same + 1)
		}
	}
	w.spare, w.positions = w.positions, a.positions(key, w.spare)
	w.begun, w.passed = resized(w.begun, len(key)+1), resized(w.passed, len(key)+1)
	if branched {
		w.passed[same]++
	} else {
		w.passed[same] = 0
	}
	for p := same + 1; p <= len(key); p++ {
		w.begun[p], w.passed[p] = w.count, 0
	}
	for p := max(same, a.prefixLen); p < len(key); p++ {
		if stats := a.ensure(w.positions[p]); stats != nil {
			stats.addByte(w.positions[p].index, key[:p], key[p])
		}
	}
	if branched {
		if stats := a.lookup(w.positions[same]); stats != nil {
			stats.addSuccessor(w.at[same], key[same], keys)
		}
	}
	w.count++
	w.at = key
}

// closePrefixes records the end of the prefixes of at that are longer than same bytes: the next key
// does not have them.
func (w *path) closePrefixes(a *alphabet, same int) {
	shared := commonPrefixLen(w.start, w.at)
	for p := max(same+1, a.prefixLen); p < len(w.at); p++ {
		stats := a.ensure(w.positions[p])
		if stats == nil {
			continue
		}
		stats.addEnd(w.positions[p].index, w.at[:p], w.at[p], w.keysUnder(p+1))
		if fromStart := w.begun[p] > 0 || p > shared || p >= len(w.start); fromStart {
			stats.complete++
			stats.completeKeys += w.keysUnder(p)
		}
	}
}

// firstChange returns the first position at which a key in (at, hi] may differ from at.
func (w *path) firstChange(a *alphabet, hi string) int {
	if hi == "" {
		return a.prefixLen
	}
	return max(a.prefixLen, commonPrefixLen(w.at, hi))
}

func (w *path) clone() *path {
	return &path{
		start: w.start, at: w.at, count: w.count,
		begun: slices.Clone(w.begun), passed: slices.Clone(w.passed), positions: slices.Clone(w.positions),
	}
}

func resized(list []int, n int) []int {
	for len(list) < n {
		list = append(list, 0)
	}
	return list[:n]
}

func commonPrefixLen(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
