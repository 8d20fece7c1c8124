package listing

// budget bounds the requests that wrong guesses about the keys cost: random keys of several scripts
// would take ten times the requests of one lister.
type budget struct {
	answers int // all
	keys    int // of the ranges that were asked for
}

// count adds an answer with n keys of its range.
func (b *budget) count(n int) {
	b.answers++
	b.keys += n
}

// fullPages is the number of answers that one lister would have taken.
func (b *budget) fullPages() int { return b.keys / cloudPage }

// wasted is the number of answers beyond those.
func (b *budget) wasted() int { return b.answers - b.fullPages() }

// Small listings may waste a few requests, or they would never be divided; large ones a share. With
// more, random keys in scripts of several bytes a letter take more than 1.6 requests a page. With
// fewer probes, a large directory of words among small ones is listed by one reader.
const (
	wastedProbes, wastedProbesShare = 4, 3
	wastedHalves, wastedHalvesShare = 4, 3
)

// allowsProbe reports whether a range may be split where perhaps no key is.
func (b *budget) allowsProbe() bool {
	return b.wasted() <= wastedProbes+b.fullPages()/wastedProbesShare
}

// In the first pages of a listing whose letters have several bytes nearly all guesses are bad. Up
// to badGuesses more of them count then, so that 20,000 keys take at most 1.6 requests a page. If
// they counted for longer, 200,000 keys would take a sixth longer.
const (
	firstPages = 20
	badGuesses = 6
)

// allowsHalf reports whether a range may be split by the estimate of its keys, while that number of
// ranges has not been answered: half of them may be bad guesses, too.
func (b *budget) allowsHalf(unanswered int, manyBytes bool) bool {
	bad := unanswered / 2
	if manyBytes && b.fullPages() < firstPages {
		bad += min(unanswered*3/2, badGuesses)
	}
	return b.wasted()+bad <= wastedHalves+b.fullPages()/wastedHalvesShare
}
