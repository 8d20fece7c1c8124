package fingerprint

import (
	"context"
	"fmt"
)

// Prefix hashes the items of a sequence while they are read, from the first item on, and compares
// them with those of an earlier reading. One goroutine uses it.
type Prefix struct {
	used, mixed bool
	n           int64
	sum         Hash
	mark        Mark
}

// Mark is what an earlier reading has seen: its first N items and their hash. The zero Mark is no
// reading.
type Mark struct {
	N     int64
	Hash  string
	Ended bool // the sequence had no more items
}

// Difference is the error for a sequence that is not the one of an earlier reading.
type Difference struct{ text string }

func (e *Difference) Error() string { return e.text }

// NewPrefix makes a Prefix that compares the items that are read with mark.
func NewPrefix(mark Mark) *Prefix { return &Prefix{mark: mark} }

// Start says that the reading of a sequence starts. A second one in the same split ends the use of
// p: a source that reads several sequences in one split has cursors of its own.
func (p *Prefix) Start() {
	p.used = !p.used && !p.mixed
	p.mixed = !p.used
}

// Used reports whether a sequence, and only one, is read.
func (p *Prefix) Used() bool { return p.used }

// Add adds an item. It returns a *Difference if the items so far are not those of the mark.
func (p *Prefix) Add(item Hash) error {
	if p.n == p.mark.N && p.mark.Ended {
		return &Difference{fmt.Sprintf("more than %d items, which were all", p.n)}
	}
	p.n++
	p.sum = p.sum.Word(uint64(item))
	if p.n == p.mark.N && p.sum.String() != p.mark.Hash {
		return &Difference{fmt.Sprintf("the first %d items have other values or another order", p.n)}
	}
	return nil
}

// End says that the sequence has no more items.
func (p *Prefix) End() error { return Shorter(p.n, p.mark.N) }

// Shorter is the error for a sequence of n items that had at least before items.
func Shorter(n, before int64) error {
	if n < before {
		return &Difference{fmt.Sprintf("%d items, there were %d or more", n, before)}
	}
	return nil
}

// Items is the number of items so far.
func (p *Prefix) Items() int64 { return p.n }

// Sum is the hash of the items so far.
func (p *Prefix) Sum() Hash { return p.sum }

type prefixKey struct{}

// With returns a context for a reading that p follows.
func With(ctx context.Context, p *Prefix) context.Context {
	return context.WithValue(ctx, prefixKey{}, p)
}

// From returns the Prefix of a reading, nil if none follows it.
func From(ctx context.Context) *Prefix {
	p, _ := ctx.Value(prefixKey{}).(*Prefix)
	return p
}
