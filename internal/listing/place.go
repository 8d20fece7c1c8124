package listing

// place is what is known of one position of one directory level. Each key that passes has there a byte behind a beginning:
// what comes before it in the key.
type place struct {
	seen   set    // bytes
	absent set    // that were looked for in vain
	vain   string // the last beginning behind which that was

	// Of the bytes seen, keys below those that came after another, and below those behind which others did not come.
	followed, skipped float64
	// Parts of followed: by the next byte of an alphabet, by a later one. Where another reader is, what lies between is not known.
	stepped, jumped float64

	ends    int            // beginnings that have come to their end
	whole   int            // of these, those that one reader listed from their start
	keys    int            // below them
	endings map[byte]*kind // by the last byte of a beginning, in words that are not too long

	asked   int    // Lister.given when it was last explored
	askedBy *track // by a cut of which range
}

// kind is what is known of beginnings that end in one byte: "3" of a day is followed by less than "1".
type kind struct {
	seen  set
	ended bool // one of them has come to its end
	last  byte // that may have been there
}

// longWord bounds endings, which take some KiB each where there are many.
const longWord = 64

// ending returns what is known of beginnings like that one, nil if the place is the first of a word, or far behind.
func (p *place) ending(s spot, beginning string) *kind {
	if s.position == 0 || s.position >= longWord || beginning == "" {
		return nil
	}
	last := beginning[len(beginning)-1]
	k := p.endings[last]
	if k == nil {
		if p.endings == nil {
			p.endings = map[byte]*kind{}
		}
		k = &kind{}
		p.endings[last] = k
	}
	return k
}

// add notes byte b behind a beginning.
func (p *place) add(s spot, beginning string, b byte) {
	p.seen.add(b)
	if k := p.ending(s, beginning); k != nil {
		k.seen.add(b)
	}
}

// follows notes that behind a beginning byte to is the first after byte from, which has so many keys.
func (p *place) follows(from, to byte, keys int) {
	p.followed += float64(keys)
	p.skipped += float64(keys * max(0, p.seen.below(to)-p.seen.below(from)-1))
	if adjacent(from, to) {
		p.stepped += float64(keys)
	} else {
		p.jumped += float64(keys)
	}
}

// met notes that byte to came somewhere after byte from, where what lies between is another reader's.
func (p *place) met(from, to byte, keys int) {
	p.followed += float64(keys)
	if adjacent(from, to) {
		p.stepped += float64(keys)
	}
}

// end notes that nothing comes after byte b, with which so many keys go on, behind a beginning. Whether b itself does need
// not be known.
func (p *place) end(s spot, beginning string, b byte, keys int) {
	p.ends++
	later := p.seen.len() - p.seen.below(b)
	if p.seen.has(b) {
		later--
	}
	p.skipped += float64(keys * later)
	if k := p.ending(s, beginning); k != nil {
		k.ended, k.last = true, max(k.last, b)
	}
}

// last is the highest byte to expect behind a beginning.
func (p *place) last(s spot, beginning string) byte {
	if k := p.ending(s, beginning); k != nil && k.ended {
		return max(k.last, highest(&k.seen))
	}
	return 255
}

// sure is how likely a byte that was seen is to come after a lower one, behind the same beginning.
func (p *place) sure() float64 { return p.followed / max(1, p.followed+p.skipped) }

// unseen is how likely a byte is of which nothing is known.
const unseen = 0.5

// between is how likely a byte is that was not seen, although it is of an alphabet with lower and higher ones that were.
func (p *place) between() float64 {
	if p.stepped+p.jumped == 0 {
		return p.sure() * unseen
	}
	return p.sure() * p.stepped / (p.stepped + p.jumped)
}

// mean is how many keys are below a beginning; it is known where whole is not zero.
func (p *place) mean() float64 { return float64(p.keys) / float64(max(1, p.whole)) }

// crowded says that so many keys are many more than others have below a beginning, which therefore do not tell about it.
func (p *place) crowded(keys float64) bool {
	return keys >= worthCutting && p.whole > 0 && keys > crowd*p.mean()
}

// adjacent reports whether b is the byte after a in an alphabet.
func adjacent(a, b byte) bool {
	return b == a+1 || a == '9' && (b == 'A' || b == 'a') || a == 'Z' && b == 'a'
}
