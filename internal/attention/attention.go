// Package attention marks errors that come again at every call until a person acts: a refused
// access, a damaged file, a folder that belongs to another run. The engine does not ask for another
// call after such an error.
package attention

import "errors"

// Error is an error that a person must act on. [Mark] makes one.
type Error struct{ err error }

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the marked error.
func (e *Error) Unwrap() error { return e.err }

// Mark returns err with a mark, which changes neither its text nor its matches. Mark(nil) is
// nil.
func Mark(err error) error {
	if err == nil || Needed(err) {
		return err
	}
	return &Error{err}
}

// Needed reports whether the chain of err has a mark.
func Needed(err error) bool {
	var marked *Error
	return errors.As(err, &marked)
}
