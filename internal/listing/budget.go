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

// wastedShare is the number of requests beyond those of one lister that a listing may make for each
// full page after the first. With more, 20,000 keys of a kind about which the first pages tell
// little take more than 1.6 requests a page. With fewer, a large directory of words among small
// ones is listed by one reader. A listing of two or three pages, which is not listed faster by
// many, is hardly divided.
const wastedShare = 0.4

// allows reports whether a range may be split, while that number of ranges has not been answered:
// a quarter of them may be bad guesses, too. (If half of them counted, 200,000 keys in directories
// took a sixth longer: their division began later.)
func (b *budget) allows(unanswered int) bool {
	full := float64(b.keys) / cloudPage
	wasted := float64(b.answers) - full + float64(unanswered)/4
	return wasted <= wastedShare*(full-1)
}
