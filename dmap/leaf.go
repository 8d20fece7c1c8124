package dmap

import "sync"

// leaf is a planned split while its pieces are read. It knows whether the split is a listing
// without objects. Nothing of such a listing is settled, so that a later process judges it as the
// first one did.
type leaf struct {
	from Cursor // the start of the split

	mu       sync.Mutex // guards the fields below
	seen     bool       // an object was seen, in this process or in an earlier one
	unlisted bool       // an item was skipped because it is no object of the listing
	none     error      // of a piece without objects; matches ErrNoObjects
	tails    []leafTail // of the pieces that ended while seen was false
}

// leafTail is the part of a piece after its last item.
type leafTail struct {
	settle func()
	rest   Split // stays unread if the tail is not settled
}

// pieceEnd says how the reading of a piece ended.
type pieceEnd int

const (
	endEarly  pieceEnd = iota // the rest is unread
	endRead                   // the source has yielded all
	endPassed                 // by an item after the end: the source could not say that it saw no object
	endEmpty                  // the source saw no object
)

// sights is what the items of a piece say about its leaf.
type sights struct {
	object   bool // an item counts as an object
	unlisted bool // an item does not
}

// endPiece settles the tail of a piece that started at from, or keeps it until an object is seen in
// another piece of the split. A piece that another one was divided from may have no object, without
// an error. first says that the tail is the first kept one.
func (l *leaf) endPiece(from Cursor, end pieceEnd, saw sights, none error, tail leafTail) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = l.seen || saw.object || end == endRead && from == l.from
	l.unlisted = l.unlisted || saw.unlisted
	if end == endEmpty {
		l.none = none
	}
	if !l.seen {
		l.tails = append(l.tails, tail)
		return len(l.tails) == 1
	}
	l.settle()
	tail.settle()
	return false
}

// settle settles the kept tails; mu is held.
func (l *leaf) settle() {
	for _, kept := range l.tails {
		kept.settle()
	}
	l.tails = nil
}

// judge is called when no piece is read any more. all says that the source was read to its end. It
// settles the kept tails, or returns them as unread, with the error of a listing without objects.
func (l *leaf) judge(all bool) (unread []Split, none error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	none = l.none
	if none == nil && l.unlisted {
		none = ErrNoObjects
	}
	if l.seen || all && none == nil {
		l.settle()
		return nil, nil
	}
	for _, kept := range l.tails {
		unread = append(unread, kept.rest)
	}
	return unread, none
}
