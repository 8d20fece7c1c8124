package source

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/body"
)

// An object of which a part was settled may be missing from the listing of the process that resumes
// the run. Then its rest lies in the piece of the object after it, or in the tail of the split: the
// piece after the last object.

// tails are the pieces after the last objects of all listings, whose ends are in ends.
func (f *flatten[T]) tails(listings []string, ends map[string]dmap.Cursor) (out []dmap.Split) {
	for _, listing := range listings {
		for _, bucket := range f.buckets.prefixes() {
			id := bucket + listing
			out = append(out, dmap.Split{ID: id, From: ends[id]})
		}
	}
	return out
}

// unlisted yields an item for each object beside place of which s covers a part: a cursor inside it
// says that another part was settled.
func unlisted[T any](s dmap.Split, place string, yield func(dmap.Item[T], error) bool) bool {
	var ends []string
	for _, at := range []dmap.Cursor{s.From, s.To} {
		if at.Key == "" || at.Key == place || at.Offset == afterObject || slices.Contains(ends, at.Key) {
			continue
		}
		ends = append(ends, at.Key)
		next := dmap.Cursor{Key: at.Key, Offset: afterObject}
		if s.To.Key == at.Key {
			next = s.To
		}
		c := contents[T]{object: Object{Key: keyAt(at.Key)}, place: at.Key}
		if s.From.Key == at.Key {
			c.from = s.From.Offset
		}
		item := c.rest(c.broken(body.NewGone(errors.New("it is not listed any more, after a part of it was read"))))
		item.Next = next
		if !yield(item, nil) {
			return false
		}
	}
	return true
}

// reaches reports whether s, a part of the piece of the object at place, reaches into this object.
func reaches(s dmap.Split, place string) bool {
	switch {
	case s.Object == "" && s.Version == "": // a tail has no object
		return false
	case s.To != (dmap.Cursor{}) && s.To.Key != place: // it ends before the object
		return false
	default:
		return s.From.Key != place || s.From.Offset != afterObject
	}
}

// keyAt is the key of the object at a place, if a listing has keys as cursors.
func keyAt(place string) string {
	switch c, ok := listingCursor(place); {
	case ok && c.Key != "":
		return c.Key
	case ok:
		return fmt.Sprintf("#%d", c.Offset-1)
	}
	return place
}
