package listing

import "strings"

// branch is a set of keys that may follow at: those with prefix at[:p] and byte b at position p.
type branch struct {
	p    int
	b    byte
	keys float64 // estimated
}

// branches returns the branches expected in (at, hi], in the order of their keys.
//
// A branch is expected to hold the mean number of keys of the branches before it at the same
// position. If there were none, it is expected to hold as many as the branch of at itself; but a
// crowded directory tells nothing about its neighbours.
func (w *path) branches(a *alphabet, hi string) (out []branch) {
	first := w.firstChange(a, hi)
	ahead := 0.0           // keys expected after at with prefix at[:p+1]
	insideCrowded := false // at lies in a crowded directory
	for p := len(w.at) - 1; p >= first; p-- {
		listed := float64(w.keysUnder(p + 1))
		others := w.wellKnown(a, p+1)
		if w.at[p] == '/' {
			if others != nil {
				ahead = capKeys(out, ahead, listed, crowdedFactor*others.meanKeys())
			}
			insideCrowded = others != nil && others.crowded(listed+ahead)
		}
		each := listed + ahead
		switch {
		case insideCrowded && w.passed[p] < minExamples && others != nil:
			each = others.meanKeys()
		case w.passed[p] > 0:
			each = float64(w.begun[p+1]-w.begun[p]) / float64(w.passed[p])
		}
		for _, c := range w.candidates(a, p) {
			if p == first && p < len(hi) && c.b > hi[p] {
				break
			}
			keys := each * c.chance
			ahead += keys
			if !c.probeFirst {
				out = append(out, branch{p, c.b, keys})
			}
		}
	}
	return out
}

// wellKnown returns the statistics of position p if at least minExamples prefixes were listed
// completely there, else nil.
func (w *path) wellKnown(a *alphabet, p int) *positionStats {
	if p == len(w.at) {
		return nil
	}
	if stats := a.lookup(w.positions[p]); stats != nil && stats.complete >= minExamples {
		return stats
	}
	return nil
}

// capKeys scales the branches of a directory, which sum up to ahead keys, down to most keys, and
// returns the new sum. A directory that has more than most keys already is left as it is.
func capKeys(branches []branch, ahead, listed, most float64) float64 {
	if listed > most || ahead <= most {
		return ahead
	}
	for i := range branches {
		branches[i].keys *= most / ahead
	}
	return most
}

// keyRange is the part of a branch that lies in a range: from and to are shares of the keys of the
// branch.
type keyRange struct {
	branch
	from, to float64
}

func (r keyRange) keys() float64 { return r.branch.keys * (r.to - r.from) }

// remaining returns the key ranges expected in (lo, hi] and the sum of their keys. lo must not be
// less than at.
func (w *path) remaining(a *alphabet, lo, hi string) (list []keyRange, sum float64) {
	same := commonPrefixLen(w.at, lo)
	for _, b := range w.branches(a, hi) {
		r := keyRange{b, 0, 1}
		if lo > w.at {
			switch {
			case b.p > same, b.p == same && same < len(lo) && b.b < lo[same]:
				continue // all its keys are less than lo
			case b.p == same && same < len(lo) && b.b == lo[same]:
				r.from = a.shareBelow(lo, same+1)
			}
		}
		if hi != "" && strings.HasPrefix(hi, w.at[:b.p]) && b.p < len(hi) && hi[b.p] == b.b {
			r.to = a.shareBelow(hi, b.p+1)
		}
		if r.to > r.from {
			list = append(list, r)
			sum += r.keys()
		}
	}
	return list, sum
}

// shareBelow estimates the share of the keys with prefix key[:p] that are less than key.
func (a *alphabet) shareBelow(key string, p int) float64 {
	share, scale := 0.0, 1.0
	positions := a.positions(key, nil)
	for i := p; i < len(key) && scale > 1e-9; i++ {
		stats := a.lookup(positions[i])
		if stats == nil {
			break
		}
		n := float64(max(stats.seen.len(), 1))
		share += scale * float64(stats.seen.below(key[i])) / n
		scale /= n
	}
	return min(1, share)
}
