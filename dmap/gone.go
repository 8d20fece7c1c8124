package dmap

import (
	"fmt"

	"github.com/go-dmap/dmap/internal/guard"
)

// goneError says that an item that is to run again is no longer in the source.
type goneError struct {
	id    string
	cause error // nil: the source was read without finding it
}

func (e *goneError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("item %q is gone: %s", e.id, errorText(e.cause))
	}
	return fmt.Sprintf("item %q is gone: the source no longer yields it", e.id)
}

func (e *goneError) Unwrap() error { return fromOutside(e.cause) }

// Class returns "gone".
func (e *goneError) Class() string { return "gone" }

// changedError says that the source has another item where one is to run again.
type changedError struct {
	id    string
	cause error
}

func (e *changedError) Error() string {
	next := "use a new RunID, or Redrive.Changed for rows that were mended"
	if _, asked := e.cause.(*rowDiffers); asked { //nolint:errorlint // as changedRows returns it
		next = "use a new RunID"
	}
	return fmt.Sprintf("item %q: %s: to process the source as it is now, %s", e.id, errorText(e.cause), next)
}

func (e *changedError) Unwrap() error { return fromOutside(e.cause) }

// Class returns "changed".
func (e *changedError) Class() string { return "changed" }

// againError is the error of an item that is to run again and that a reading with err has not
// found. It returns nil if the source cannot be read now: that is no fault of the item.
func againError(id string, err error) error {
	switch {
	case err == nil:
		return &goneError{id: id}
	case Class(err) == "gone":
		return &goneError{id, err}
	case Class(err) == "changed":
		return &changedError{id, err}
	case brokenObject(err) != nil: // it breaks off before the item
		return fmt.Errorf("item %q: %w", id, fromOutside(err))
	default:
		return nil
	}
}

// isGone reports whether err says that the source no longer has an item of a redrive.
func isGone(err error) bool {
	_, gone := guard.As[*goneError](err)
	return gone
}
