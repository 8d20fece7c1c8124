package dmap

import (
	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/guard"
)

// The lengths of texts of errors, in bytes.
const (
	maxText  = 1 << 10  // in the log and in a commit
	maxShown = 4 << 10  // of one error inside the error of a run
	maxTotal = 64 << 10 // of the error of a run
	maxKept  = 16 << 10 // of an error that is kept as it is
)

// errorText is the text of err inside the error of a run.
func errorText(err error) string { return guard.Text(err, maxShown) }

// skips reports whether a source or a function marked an item as skipped by err.
func skips(err error) bool {
	if err == nil || err == ErrSkip { // the usual mark, compared for speed
		return err != nil
	}
	return guard.Is(err, ErrSkip)
}

// matches is errors.Is for errors that hold values of users.
func matches(err, target error) bool { return guard.Is(err, target) }

func needsPerson(err error) bool {
	_, needed := guard.As[*attention.Error](err)
	return needed
}

// outside is an error that a user's source, sink or function returned, inside an error of dmap: its
// matches and its text are those of the error, and survive methods that do not return.
type outside struct{ err error }

// fromOutside returns err, or an outside with it if a user may have written its methods.
func fromOutside(err error) error {
	if err == nil || guard.PlainError(err) {
		return err
	}
	return &outside{err}
}

func (e *outside) Error() string { return errorText(e.err) }

// Is reports whether the error matches target.
func (e *outside) Is(target error) bool { return guard.Is(e.err, target) }

// As finds the first error of the type of target.
func (e *outside) As(target any) bool { return guard.AsTarget(e.err, target) }
