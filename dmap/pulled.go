package dmap

import (
	"errors"
	"iter"
)

// errNotFound says that the source has no item at the place of one.
var errNotFound = errors.New("not found")

// pulled is a reading of a source whose items can be looked at before they are passed. The zero
// pulled is closed.
type pulled[T any] struct {
	next  func() (Item[T], error, bool)
	stop  func()   // ends the reading; nil: there is none
	at    Cursor   // after the last item that was passed
	held  *Item[T] // an item after at; nil: none was read
	ended bool     // the reading has no more items
}

// open starts a reading at a cursor. It must be closed.
func (p *pulled[T]) open(items iter.Seq2[Item[T], error], from Cursor) {
	p.close()
	p.at, p.ended = from, false
	p.next, p.stop = iter.Pull2(items)
}

func (p *pulled[T]) isOpen() bool { return p.stop != nil }

// peek returns the next item without passing it, or errNotFound after the last one.
func (p *pulled[T]) peek() (*Item[T], error) {
	if p.held != nil {
		return p.held, nil
	}
	if p.ended {
		return nil, errNotFound
	}
	item, err, ok := p.next()
	if err != nil && matches(err, ErrNoObjects) { // a listing that is empty now
		err, ok = nil, false
	}
	if err != nil {
		p.close()
		return nil, err
	}
	if p.ended = !ok; p.ended {
		return nil, errNotFound
	}
	p.held = &item
	return p.held, nil
}

// pass passes the item that peek has returned.
func (p *pulled[T]) pass() { p.at, p.held = p.held.Next, nil }

func (p *pulled[T]) close() {
	if p.stop != nil {
		p.stop()
	}
	p.next, p.stop, p.held = nil, nil, nil
}
