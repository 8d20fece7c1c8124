package source

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
)

// leaves judges the listings below a Flatten, of which each split is one. Each has a split of its
// own in the Flatten, without items, that is read as soon as an object was seen, and so is settled:
// a process that resumes the run and finds no object any more knows that there were some. The split
// of a listing without objects ends with dmap.ErrNoObjects.
type leaves struct {
	mu    sync.Mutex
	known []*listedLeaf // in the order in which they were first read
	news  bool          // an object of a leaf was seen for the first time since the last call of splits
}

type listedLeaf struct {
	id    string
	seen  bool
	told  bool  // its split was yielded
	empty error // matches dmap.ErrNoObjects
}

// leafPrefix starts the IDs of the splits of listings: no key starts with it.
const leafPrefix = "\x00listing:"

// watched is a Plan of a listing whose items tell l about objects.
func (l *leaves) watched(p dmap.Plan[Object]) dmap.Plan[Object] {
	read := p.Read
	p.Read = func(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[Object], error] {
		return func(yield func(dmap.Item[Object], error) bool) {
			leaf, seen := l.of(s.ID), false
			for item, err := range read(ctx, s) {
				if guarded.Is(err, dmap.ErrNoObjects) {
					l.note(leaf, false, err)
					return
				}
				if err == nil && !seen && !guarded.Is(item.Err, dmap.ErrNoObjects) {
					seen = true
					l.note(leaf, true, nil)
				}
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
	return p
}

// of returns the leaf of a split.
func (l *leaves) of(id string) *listedLeaf {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, leaf := range slices.Backward(l.known) { // the newest are read
		if leaf.id == id {
			return leaf
		}
	}
	leaf := &listedLeaf{id: id}
	l.known = append(l.known, leaf)
	return leaf
}

func (l *leaves) note(leaf *listedLeaf, seen bool, empty error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.news = l.news || seen && !leaf.seen
	leaf.seen = leaf.seen || seen
	leaf.empty = errors.Join(leaf.empty, empty)
}

// splits returns those of the leaves that have become known to have an object or, at the end of the
// listing, to have none. It is called for each object, and looks at the leaves only if there is
// news.
func (l *leaves) splits(end bool) (out []dmap.Split) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.news && !end {
		return nil
	}
	l.news = false
	for _, leaf := range l.known {
		s := dmap.Split{ID: leafPrefix + leaf.id}
		switch {
		case leaf.told || !leaf.seen && (!end || leaf.empty == nil):
			continue
		case !leaf.seen:
			s.Object = guarded.Text(leaf.empty, maxErrorText)
		}
		leaf.told = true
		out = append(out, s)
	}
	return out
}

// withObjects returns the IDs of the splits of listings that have an object, or had one in an
// earlier process. The others have no tail: once settled, it would hide the objects that arrive
// later.
func (l *leaves) withObjects(settled func(id string) (dmap.Cursor, bool)) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, leaf := range l.known {
		_, had := settled(leafPrefix + leaf.id)
		if leaf.seen || had {
			out = append(out, leaf.id)
		}
	}
	return out
}

// readLeaf reads the split of a listing. ok is false for other splits.
func readLeaf[T any](s dmap.Split) (items iter.Seq2[dmap.Item[T], error], ok bool) {
	switch {
	case !strings.HasPrefix(s.ID, leafPrefix):
		return nil, false
	case s.Object == "":
		return func(func(dmap.Item[T], error) bool) {}, true
	}
	return broken[dmap.Item[T]](noObjects(s.Object)), true
}

// noObjects is the text of an error that matches dmap.ErrNoObjects.
type noObjects string

func (e noObjects) Error() string { return string(e) }

// Is reports whether target is dmap.ErrNoObjects.
func (e noObjects) Is(target error) bool { return target == dmap.ErrNoObjects }
