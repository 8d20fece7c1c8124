package dmap

import (
	"fmt"

	"github.com/go-dmap/dmap/internal/guard"
)

// BrokenObjectError says that an object breaks off: compressed data that is truncated, a JSON array
// that does not end, bytes that the store does not deliver. It is no item, as nobody knows how many
// items are missing. The rest of the object stays unread; the run processes everything else, and
// then fails if there are more such objects than Tolerance.BrokenObjects.
//
// A source yields it as the error of Plan.Read, which leaves the rest of that split unread, or as
// Item.Err: then the split is unread from the Next of the item before up to the Next of this one,
// and its reading continues.
type BrokenObjectError struct {
	Key    string
	Offset int64  // of the first byte of the object's content that was not read as an item
	Hash   string // of the content before Offset, see Split.Before; empty: unknown, or Offset is 0
	Err    error  // why the object could not be read further
}

func (e *BrokenObjectError) Error() string {
	return fmt.Sprintf("object %q breaks off at offset %d: %s", e.Key, e.Offset, errorText(e.Err))
}

// Unwrap returns the cause.
func (e *BrokenObjectError) Unwrap() error { return fromOutside(e.Err) }

// Class returns "broken" unless the cause has a class of its own.
func (e *BrokenObjectError) Class() string {
	return ownClass(e.Err, "broken")
}

// brokenObject returns the BrokenObjectError that err is or wraps, nil if there is none.
func brokenObject(err error) *BrokenObjectError {
	broken, _ := guard.As[*BrokenObjectError](err)
	return broken
}

// maxBrokenObjects is the number that a Tolerance may allow. Each broken object is a gap in the
// settled intervals, so their number must be bounded.
const maxBrokenObjects = 10_000
