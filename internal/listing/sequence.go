package listing

import (
	"fmt"
	"strconv"
	"strings"
)

// sequence checks the order of a listing by tokens, and makes positions in it.
//
// Keys come in the order of their bytes, except where a driver escapes some characters, and in a
// store that has no order, as the directory buckets of S3. A key out of place may also be one that
// the store repeats.
type sequence struct {
	after   string // keys up to this one were listed before
	skipped int64  // and this number of keys that follow it out of place
	reached bool   // keys up to after must not come any more

	exact     bool            // the keys are those of the store
	count     int             // of the keys
	previous  string          // the largest key so far
	moved     int64           // keys since previous that are out of place
	row       int             // the last of them that are so for no reason that is known
	unordered map[string]bool // the last keys of a store that has no order; nil: it has one
}

// Misplaced says that the position after an object is At, and not its key. If Err is not nil the
// store may have listed the object before.
type Misplaced struct {
	At  string
	Err error
}

// Error implements error.
func (m *Misplaced) Error() string {
	if m.Err == nil {
		return "a key is not in byte order"
	}
	return m.Err.Error()
}

const (
	// firstKeys is the number of keys that show whether a store has an order.
	firstKeys = cloudPage
	// mostMisplaced is the number of keys in a row out of place from which on the listing fails.
	mostMisplaced = 16
	// recentKeys is the number of keys of a store without an order that must not come again.
	recentKeys = 2 * cloudPage
)

func newSequence(after string, options Options) *sequence {
	s := &sequence{after: after, exact: options.Stored != nil}
	if key, n, ok := strings.Cut(after, placeMark); ok {
		if n, err := strconv.ParseInt(n, 16, 64); err == nil {
			s.after, s.skipped = key, n
		}
	}
	return s
}

// placeMark precedes the number of a key out of place in a position. No store lists it in a key.
const placeMark = "\x00\x00"

// place is the position after the n-th key out of place after key.
func place(key string, n int64) string { return fmt.Sprintf("%s%s%08x", key, placeMark, n) }

// next checks the next key. keep is false if it is one up to the position from which to list.
func (s *sequence) next(key string) (keep bool, m *Misplaced, err error) {
	s.count++
	switch {
	case !s.reached && s.after != "":
		return s.seek(key)
	case s.unordered != nil:
		return true, nil, s.unorderedNext(key)
	case s.count == 1, key > s.previous:
		s.previous, s.moved, s.row = key, 0, 0
		return true, nil, nil
	}
	return s.misplaced(key)
}

// seek looks for the position from which to list.
func (s *sequence) seek(key string) (keep bool, m *Misplaced, err error) {
	switch {
	case key == s.after:
		s.reached, s.previous = true, key
	case key > s.after && s.skipped > 0:
		return false, nil, fmt.Errorf("key %q, after which others came out of place, is not listed any more: list from the start", s.after)
	case key > s.after:
		s.reached, s.previous = true, key
		return true, nil, nil
	}
	return false, nil, nil
}

// misplaced judges a key that is not after the one before.
func (s *sequence) misplaced(key string) (keep bool, m *Misplaced, err error) {
	escaped := !s.exact && key != s.previous && (mayBeEscaped(key) || mayBeEscaped(s.previous))
	if !escaped && s.after == "" && s.count <= firstKeys && key != s.previous && !s.exact {
		s.unordered = map[string]bool{s.previous: true}
		return true, nil, s.unorderedNext(key)
	}
	s.moved++
	if s.moved <= s.skipped && s.previous == s.after {
		return false, nil, nil
	}
	m = &Misplaced{At: place(s.previous, s.moved)}
	if !escaped {
		m.Err = orderError(key, s.previous)
		if s.row++; s.row > mostMisplaced {
			return false, nil, m.Err
		}
	}
	return true, m, nil
}

// unorderedNext refuses a key that came not long ago.
func (s *sequence) unorderedNext(key string) error {
	if s.unordered[key] {
		return fmt.Errorf("the store lists key %q twice", key)
	}
	if len(s.unordered) >= recentKeys {
		clear(s.unordered)
	}
	s.unordered[key] = true
	return nil
}
