package listing

// positionStats holds the knowledge about one byte position of one directory level, gathered from
// all keys that have a byte there. In the comments of this file a prefix is the part of a key
// before that position.
type positionStats struct {
	seen        byteSet // bytes that keys have here
	absent      byteSet // bytes that a probe did not find
	absentUnder string  // the prefix of the last such probe

	// Evidence of whether a byte that one prefix has is also to be expected under another, weighted
	// by keys. followed: keys under bytes whose expected successor occurred; skipped: keys under
	// bytes whose expected successor did not.
	followed, skipped float64
	// The parts of followed in which the successor was the next byte of the alphabet, and a later
	// one. Where another reader has listed the keys between the two, neither is known.
	stepped, jumped float64

	ended        int                  // prefixes listed to their end
	complete     int                  // of these, prefixes that one reader listed from their start
	completeKeys int                  // keys under the complete prefixes
	byLastByte   map[byte]*prefixKind // by the last byte of the prefix

	probedAt int // Lister.pages at the last probe
	probedBy int // number of the reader whose range it split; 0: no answer is awaited
}

// prefixKind holds what prefixes with one last byte have in common: "3" of a day of the month is
// followed by fewer digits than "1".
type prefixKind struct {
	seen  byteSet
	ended bool // one of them was listed to its end
	last  byte // the highest byte that ended one
}

// longWord bounds the positions that have a byLastByte, because each takes some KiB where many
// bytes occur.
const longWord = 64

// kindOf returns the kind of prefix, nil at the first position of a word and far into long words.
// index is the position in the word.
func (s *positionStats) kindOf(index int, prefix string) *prefixKind {
	if index == 0 || index >= longWord || prefix == "" {
		return nil
	}
	last := prefix[len(prefix)-1]
	k := s.byLastByte[last]
	if k == nil {
		if s.byLastByte == nil {
			s.byLastByte = map[byte]*prefixKind{}
		}
		k = &prefixKind{}
		s.byLastByte[last] = k
	}
	return k
}

// addByte records that byte b occurs under prefix.
func (s *positionStats) addByte(index int, prefix string, b byte) {
	s.seen.add(b)
	if k := s.kindOf(index, prefix); k != nil {
		k.seen.add(b)
	}
}

// addSuccessor records that under one prefix byte to is the first after byte from, which has n
// keys.
func (s *positionStats) addSuccessor(from, to byte, n int) {
	s.followed += float64(n)
	s.skipped += float64(n * max(0, s.seen.below(to)-s.seen.below(from)-1))
	if adjacent(from, to) {
		s.stepped += float64(n)
	} else {
		s.jumped += float64(n)
	}
}

// addLaterByte records that under one prefix byte to occurs after byte from, which has n keys.
// Another reader lists the keys between them.
func (s *positionStats) addLaterByte(from, to byte, n int) {
	s.followed += float64(n)
	if adjacent(from, to) {
		s.stepped += float64(n)
	}
}

// addEnd records that prefix was listed to its end and has nothing after byte b, which has n keys.
// Whether keys have b itself need not be known.
func (s *positionStats) addEnd(index int, prefix string, b byte, n int) {
	s.ended++
	later := s.seen.len() - s.seen.below(b)
	if s.seen.has(b) {
		later--
	}
	s.skipped += float64(n * later)
	if k := s.kindOf(index, prefix); k != nil {
		k.ended, k.last = true, max(k.last, b)
	}
}

// lastByte returns the highest byte to expect under prefix.
func (s *positionStats) lastByte(index int, prefix string) byte {
	if k := s.kindOf(index, prefix); k != nil && k.ended {
		return max(k.last, k.seen.highest())
	}
	return 255
}

// unseenChance is the probability of a byte about which nothing is known.
const unseenChance = 0.5

// seenChance returns the probability that a byte seen under other prefixes also follows a lower one
// under this prefix.
func (s *positionStats) seenChance() float64 { return s.followed / max(1, s.followed+s.skipped) }

// gapChance returns the probability of a byte that was never seen although lower and higher ones of
// its alphabet were.
func (s *positionStats) gapChance() float64 {
	if s.stepped+s.jumped == 0 {
		return s.seenChance() * unseenChance
	}
	return s.seenChance() * s.stepped / (s.stepped + s.jumped)
}

// meanKeys returns the mean number of keys under a complete prefix, 0 if there is none.
func (s *positionStats) meanKeys() float64 {
	return float64(s.completeKeys) / float64(max(1, s.complete))
}

const (
	// worthSplitting is the number of keys that a range must still have to be split: several full
	// pages for each part beside the page in flight, because the last page of each part is not
	// full. One page more costs a tenth of the speed and saves a twentieth of the requests.
	worthSplitting = 3 * cloudPage
	// crowdedFactor is how many times the mean number of keys makes a prefix crowded. With a
	// smaller factor, prefixes that differ by chance are explored as if nothing was known; with a
	// larger one, a single reader lists most of a large directory among small ones.
	crowdedFactor = 4
)

// crowded reports whether a prefix with that number of keys has many more than others. Evidence
// from the others does not count for it, nor the reverse.
func (s *positionStats) crowded(keys float64) bool {
	return keys >= worthSplitting && s.complete > 0 && keys > crowdedFactor*s.meanKeys()
}

// adjacent reports whether b is the byte after a in an alphabet.
func adjacent(a, b byte) bool {
	return b == a+1 || a == '9' && (b == 'A' || b == 'a') || a == 'Z' && b == 'a'
}
