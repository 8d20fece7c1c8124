package dmap

import (
	"context"

	"github.com/go-dmap/dmap/internal/journal"
)

// A redrive reads an object on that broke off and was mended, although its version is another one:
// the items that were settled are those before the break, and the content there is still the same.

// mended finds out which objects were mended.
type mended struct {
	rests journal.Rests
	ask   func(ctx context.Context, s Split) (string, error) // Plan.Rest; nil: no object was
	// asking holds a token while a question is answered, which may read a whole object: it guards
	// answers. It is no Mutex: a goroutine that waits for one stops the clock of testing/synctest.
	asking  chan struct{}
	answers map[restAt]string // Versions to read; empty: the object has changed
}

// restAt is a question: about a rest, and the version that its object must have; empty: any.
type restAt struct {
	split   string
	from    journal.Cursor
	version string
}

func newMended(rests journal.Rests, ask func(context.Context, Split) (string, error)) *mended {
	return &mended{rests: rests, ask: ask, asking: make(chan struct{}, 1), answers: map[restAt]string{}}
}

// known are the rests of the run; nil: it is not redriven.
func (m *mended) known() journal.Rests {
	if m == nil {
		return nil
	}
	return m.rests
}

// reads reports whether the object of s, which has another version than its settled part, may be
// read on.
func (m *mended) reads(ctx context.Context, s Split, j journal.Judgement) (bool, error) {
	if m == nil || j.Rest == nil {
		return false, nil
	}
	if j.Known {
		return true, nil
	}
	now, err := m.version(ctx, j.Rest, s.Version)
	return now == s.Version, err
}

// mendedNow says that the items of an object that were read at a version, up to a rest, can be read
// at another one.
type mendedNow struct {
	rest         journal.Rest
	was, version string // version is empty if the object was not mended
}

// has reports whether n is about an item.
func (n *mendedNow) has(t *journal.TakenItem) bool {
	at := n.rest.From
	return n.version != "" && t.Split == n.rest.Split && t.Version == n.was && t.Next.Key == at.Key && t.Next.Compare(at) <= 0
}

// versionOf returns the version at which an item can be read whose object has another version than
// when it was read. It is empty if the object was not mended.
func (m *mended) versionOf(ctx context.Context, t *journal.TakenItem) (n mendedNow, err error) {
	if m == nil {
		return n, nil
	}
	rest, ok := m.rests.First(t.Split, t.Next)
	if !ok {
		return n, nil
	}
	n = mendedNow{rest: rest, was: t.Version}
	n.version, err = m.version(ctx, &rest, "")
	return n, err
}

// version returns the version of the object of a rest now, empty if its content before the rest is
// not the same.
func (m *mended) version(ctx context.Context, rest *journal.Rest, must string) (string, error) {
	if m.ask == nil {
		return "", nil
	}
	select {
	case m.asking <- struct{}{}:
		defer func() { <-m.asking }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	question := restAt{rest.Split, rest.From, must}
	if now, ok := m.answers[question]; ok {
		return now, nil
	}
	now, err := m.ask(ctx, Split{ID: rest.Split, Object: rest.Object, Version: must, From: Cursor(rest.From), Before: rest.Before})
	if err != nil && Class(err) == "changed" {
		now, err = "", nil
	}
	if err == nil {
		m.answers[question] = now
	}
	return now, err
}
