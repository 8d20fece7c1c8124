package dmap

import "sync"

// ledger holds the open chunks: those with an item that is not settled. What is left in it at the end is pending.
type ledger[T, R any] struct {
	mu   sync.Mutex
	head *chunk[T, R]
}

func (l *ledger[T, R]) add(c *chunk[T, R]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.next = l.head
	if l.head != nil {
		l.head.prev = c
	}
	l.head = c
}

func (l *ledger[T, R]) remove(c *chunk[T, R]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

// open returns the open chunks, oldest first.
func (l *ledger[T, R]) open() []*chunk[T, R] {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*chunk[T, R]
	for c := l.head; c != nil; c = c.next {
		out = append(out, c)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
