package listing

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"gocloud.dev/blob"
)

// errEndsEarly says that the store said that nothing follows, and showed that it does.
var errEndsEarly = errors.New("the listing ends before a key that the store has listed: its last answer has no token, or no keys")

// checkEnd finds out whether a listing ends after last, its last page with objects. An answer
// without a token may be one that has lost it, and one without keys may have lost all. So the store
// is asked for all but the last object of that page: it must say that something follows, and that
// must be this object. checkEnd returns a page of the objects that follow it.
//
// It costs two requests, and is called only where the end is doubtful: after a full page, which few
// listings end with, and after an empty one.
func (p *pager) checkEnd(ctx context.Context, last page) page {
	n := len(last.objects)
	if n < 2 {
		return page{}
	}
	key := last.lastKey()
	is := func(o *blob.ListObject) bool { return o.Key == key }
	before := p.fetch(ctx, last.token, n-1)
	if before.err != nil {
		return before
	}
	if before.next == nil {
		if slices.ContainsFunc(before.objects, is) { // the store gives as much as it wants to
			return page{}
		}
		return page{err: errEndsEarly}
	}
	rest := p.fetch(ctx, before.next, cloudPage)
	if rest.err == nil && len(rest.objects) == 0 {
		return page{err: errEndsEarly}
	}
	if i := slices.IndexFunc(rest.objects, is); i >= 0 {
		rest.objects = rest.objects[i+1:]
	}
	return rest
}

// cycle finds tokens that repeat, in constant memory: by comparing each with one that is replaced
// after 1, 2, 4, … others.
type cycle struct {
	kept  []byte
	since int // tokens since kept
	until int // number of tokens after which it is replaced
}

func (c *cycle) closes(token []byte) bool {
	if c.kept != nil && bytes.Equal(c.kept, token) {
		return true
	}
	if c.since++; c.since > c.until {
		c.kept, c.since, c.until = token, 0, max(1, 2*c.until)
	}
	return false
}
