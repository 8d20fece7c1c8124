package listing

// plan holds the knowledge about a range before its first page.
type plan struct {
	path  *path  // of the reader that the range was split off from, at that time
	probe bool   // the split is a probe: whether the range has keys at all is not known
	end   string // of the range when it was split off; empty: the end of the listing
}

// learn records in a what the first page of the range shows about keys under the prefixes of path:
// none lies between start and first. first is empty if the range has no key.
func (p *plan) learn(a *alphabet, start, first string) {
	w := p.path
	split := commonPrefixLen(w.at, start) // the position at which the range was split off
	end := p.end
	if first != "" && (end == "" || first < end) {
		end = first
	}
	top := w.firstChange(a, end)
	for i := top; i <= split && i < len(w.at); i++ {
		stats := a.ensure(w.positions[i])
		if stats == nil {
			continue
		}
		// from and to bound the bytes at position i that are absent: from included, to not.
		from, to := int(w.at[i])+1, 256
		if i == split && i < len(start) {
			from = int(start[i])
		}
		if i == split && len(start) > split+1 {
			from++ // keys with the byte of start may lie before start
		}
		if i == top && i < len(end) {
			to = int(end[i])
		} else if from > 0 {
			stats.addEnd(w.positions[i].index, w.at[:i], byte(from-1), w.keysUnder(i+1))
		}
		stats.absentUnder = w.at[:i]
		for b := from; b < to; b++ {
			stats.absent.add(byte(b))
		}
	}
	if p := commonPrefixLen(w.at, first); p < min(len(w.at), len(first)) {
		if stats := a.lookup(w.positions[p]); stats != nil {
			stats.addLaterByte(w.at[p], first[p], w.keysUnder(p+1))
		}
	}
	if split < len(w.at) {
		if stats := a.lookup(w.positions[split]); stats != nil {
			stats.probedBy = 0
		}
	}
}
