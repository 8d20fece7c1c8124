package listing

import "strings"

const (
	// minExamples is the number of prefixes that must be known before others are judged by them. If
	// it is lower, chance decides where ranges are split; if it is higher, known gaps are probed
	// again.
	minExamples = 3
	// mostFollow is the seenChance from which on most bytes occur under every prefix: those of
	// digits do, those of the letters of words do not. If it is lower, every word is probed for
	// more letters; if it is higher, every new digit waits until a reader comes to it.
	mostFollow = 0.6
)

// candidate is a byte that may follow at[p] under prefix at[:p].
type candidate struct {
	b      byte
	chance float64
	// probeFirst marks bytes greater than all that were seen at a position of which no end is
	// known. They count in estimates, but nothing is split there before they were probed.
	probeFirst bool
}

// candidates returns the bytes greater than at[p] that keys with prefix at[:p] may have at position
// p, in their order.
func (w *path) candidates(a *alphabet, p int) (out []candidate) {
	stats := a.lookup(w.positions[p])
	if stats == nil || stats.seen.len() < 2 {
		return nil
	}
	seenChance := max(stats.seenChance(), w.density(stats, p))
	if seenChance <= 0 {
		return nil
	}
	gapChance := stats.gapChance()
	least, most := stats.seen.lowest(), stats.seen.highest()
	likely := a.likely(w.at, w.positions, p)
	last := int(stats.lastByte(w.positions[p].index, w.at[:p]))
	for b := int(w.at[p]) + 1; b <= last; b++ {
		switch b := byte(b); {
		case stats.seen.has(b):
			out = append(out, candidate{b, seenChance, false})
		case !likely.has(b), stats.absent.has(b), b < least:
		case b > most:
			if stats.ended == 0 {
				out = append(out, candidate{b, unseenChance, true})
			}
		case gapChance > 0:
			out = append(out, candidate{b, gapChance, false})
		}
	}
	return out
}

// density returns the share of the bytes below at[p] that this reader has met under prefix at[:p],
// because that prefix may be denser than others. It is 0 if the reader has seen too few keys to
// tell.
func (w *path) density(stats *positionStats, p int) float64 {
	if w.passed[p] == 0 || w.keysUnder(p) < cloudPage/2 {
		return 0
	}
	below := stats.seen.below(w.at[p])
	// If the reader started in the middle of the prefix, it did not see the bytes before its start.
	if w.begun[p] == 0 && p < len(w.start) && w.start[:p] == w.at[:p] {
		below -= stats.seen.below(w.start[p])
	}
	return min(1, float64(w.passed[p])/float64(max(1, below)))
}

// unexplored returns the bytes greater than any seen at position p that could still follow prefix
// at[:p] and have not been probed. keys is the estimated number of keys under that prefix. Evidence
// from other prefixes is ignored if this prefix holds many more keys than they do, or if it is
// large, most bytes follow every prefix, and few prefixes are known.
func (w *path) unexplored(a *alphabet, p int, hi string, keys float64) (list []byte) {
	stats := a.lookup(w.positions[p])
	if stats == nil {
		return nil
	}
	few := stats.seen.len() > 1 && stats.ended < minExamples && stats.seenChance() >= mostFollow
	ignoreOthers := stats.crowded(keys) || keys >= worthSplitting && few
	if stats.ended > 0 && !ignoreOthers {
		return nil
	}
	absent := stats.absent
	if dir, _ := splitDir(w.at[:p]); ignoreOthers && !strings.HasPrefix(stats.absentUnder, dir) {
		absent = byteSet{}
	}
	likely := a.likely(w.at, w.positions, p)
	limit := 256
	if p < len(hi) && p == w.firstChange(a, hi) {
		limit = int(hi[p])
	}
	for b := int(stats.seen.highest()) + 1; b < limit; b++ {
		if likely.has(byte(b)) && !absent.has(byte(b)) {
			list = append(list, byte(b))
		}
	}
	return list
}
