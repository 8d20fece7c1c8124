package dmap

import (
	"context"
	"slices"
	"sync"
)

// Layout is how an object that has changed is read by a redrive: see Plan.Layout.
type Layout struct {
	// Version is that of the object as it is now: Read reads it with this Version.
	Version string
	// Header identifies the header of the object as it is now: see SetHeader.
	Header string
	// From is where the redrive begins to read: the From that Layout was asked about, if a record
	// begins there now. The zero Cursor: at the start of the object, to find that out.
	From Cursor
}

// SetHeader says which header the records of an object have that a Plan.Read reads: a hash of the
// names of its columns, say, at most 64 bytes. Read calls it with its ctx before it yields the
// first item. The records of failed items keep it, for Redrive.Changed. Formats without a header
// need no call. It has no effect outside a Read, or in a run that is not durable.
func SetHeader(ctx context.Context, header string) {
	if p, ok := ctx.Value(placeKey{}).(*placing); ok {
		p.header = header[:min(len(header), maxHeader)]
	}
}

// maxHeader is how many bytes of a header count.
const maxHeader = 64

// placing says of the items of a reading where the records of failed ones have been counted from.
type placing struct{ header string }

type placeKey struct{}

// withPlacing returns a context in which a source may call SetHeader, and the placing of the items
// that it yields then.
func withPlacing(ctx context.Context) (context.Context, *placing) {
	if p, ok := ctx.Value(placeKey{}).(*placing); ok { // of a reading of several parts
		return ctx, p
	}
	p := new(placing)
	return context.WithValue(ctx, placeKey{}, p), p
}

// maxAnchors bounds the known anchors of an object: each process that has read a part of it may
// have one for each of its readings.
const maxAnchors = 64

// layouts are what the source has said about one object, by the anchors that it was asked about.
type layouts struct {
	answers map[Cursor]layoutAnswer
	start   *layoutAnswer // for every anchor: the object is read from its start; nil: not known
	inside  bool          // the object is read from anchors
}

// layoutAnswer is an answer of Plan.Layout. An err is of the object.
type layoutAnswer struct {
	Layout
	err error
}

func (l *layouts) get(anchor Cursor) (answer layoutAnswer, known bool) {
	if l.start != nil {
		return *l.start, true
	}
	answer, known = l.answers[anchor]
	return answer, known
}

func (l *layouts) add(anchor Cursor, answer layoutAnswer) {
	switch {
	case answer.err != nil:
	case answer.From != Cursor{}:
		l.inside = true
	case anchor != Cursor{}:
		l.start = &answer
	}
	if len(l.answers) == maxAnchors {
		clear(l.answers)
	}
	l.answers[anchor] = answer
}

// changedObjects are the objects that readers have found to have changed, the latest of them. It is
// safe for concurrent use; nil has none.
type changedObjects struct {
	mu    sync.Mutex
	known []changedObject
}

type changedObject struct{ split, version string }

// maxChanged bounds the known objects: the items of one follow each other.
const maxChanged = 64

func (c *changedObjects) add(split, version string) {
	if c.has(split, version) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) == maxChanged {
		c.known = slices.Delete(c.known, 0, 1)
	}
	c.known = append(c.known, changedObject{split, version})
}

func (c *changedObjects) has(split, version string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.known, changedObject{split, version})
}
