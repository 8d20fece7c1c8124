package dmap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that callers branch on, with errors.Is. The error of a single item never matches an error
// of a run, also if the function ran a nested run.
var (
	ErrTolerance = errors.New("tolerance for failed items exceeded")     // see ToleranceError
	ErrCanceled  = errors.New("run canceled")                            // the run was ended by Run.Cancel
	ErrStuck     = errors.New("the call ran on after its context ended") // abandoned: Options.AbandonAfter
	ErrInternal  = errors.New("internal error")                          // a bug in dmap: the counts do not add up
)

// ToleranceError says that more items failed, or more objects broke off, than Tolerance allows. It
// matches ErrTolerance.
type ToleranceError struct {
	Tolerance Tolerance
	Failed    int64        // when it was exceeded
	Of        int64        // the settled items, or all items once the source had ended
	First     []*ItemError // the first failures, at most 10

	Broken      int64                // objects that broke off; 0: items exceeded the tolerance
	FirstBroken []*BrokenObjectError // the first of them, at most 10
}

func (e *ToleranceError) Error() string {
	var b strings.Builder
	if e.Broken > 0 {
		fmt.Fprintf(&b, "%v: %d objects broke off, allowed: %d (Tolerance.BrokenObjects); their rests are unread",
			ErrTolerance, e.Broken, e.Tolerance.BrokenObjects)
		for _, broken := range e.FirstBroken {
			fmt.Fprintf(&b, "\n\t%v", broken)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%v: %d of %d items failed, allowed: %v", ErrTolerance, e.Failed, e.Of, e.Tolerance)
	for _, f := range e.First {
		fmt.Fprintf(&b, "\n\t%v", f)
	}
	return b.String()
}

// Is reports whether target is ErrTolerance.
func (e *ToleranceError) Is(target error) bool { return target == ErrTolerance }

// Unwrap returns the first failures and broken objects.
func (e *ToleranceError) Unwrap() []error {
	errs := make([]error, 0, len(e.First)+len(e.FirstBroken))
	for _, f := range e.First {
		errs = append(errs, f)
	}
	for _, broken := range e.FirstBroken {
		errs = append(errs, broken)
	}
	return errs
}

// SourceError says that the source could not be read further. The items read before it have been
// processed.
type SourceError struct {
	Source string // its String, if it has one
	Split  Split  // the split that was being read; zero while planning
	Err    error
}

func (e *SourceError) Error() string {
	at := e.Source
	if e.Split.ID != "" {
		at = fmt.Sprintf("%s split %q", at, e.Split.ID)
	}
	return fmt.Sprintf("source %s: %v", at, e.Err)
}

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// SinkError says that a sink failed. Results that it had not made durable are lost; Err names them
// if the sink knows them.
type SinkError struct {
	Op  string // "open", "begin", "restore", "write", "commit", "append", "flush", "end" or "close"
	Err error
}

func (e *SinkError) Error() string { return fmt.Sprintf("sink %s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *SinkError) Unwrap() error { return e.Err }

// Permanent marks err as not worth a retry. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// RetryAfter asks that the item of err be called again no sooner than after d, as a server that
// throttles does. Any error in the chain with a method RetryAfter() time.Duration has the same
// effect. RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, d}
}

type retryAfterError struct {
	error
	after time.Duration
}

func (e *retryAfterError) Unwrap() error { return e.error }

func (e *retryAfterError) RetryAfter() time.Duration { return e.after }

// Class sorts errors into few kinds for counts and reports: "timeout", "panic", "goexit", "stuck",
// "read" (the item could not be read), the result of a method Class() string of an error in the
// chain, else "error".
func Class(err error) string {
	var panicked *PanicError
	var own interface{ Class() string }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &own):
		return own.Class()
	case errors.As(err, &panicked):
		return "panic"
	case errors.Is(err, ErrGoexit):
		return "goexit"
	case errors.Is(err, ErrStuck):
		return "stuck"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return "error"
	}
}

// ReadError is the error of an item that could not be read. The engine wraps Item.Err in it.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return fmt.Sprintf("read: %v", e.Err) }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// Class returns "read" unless the cause has a class of its own.
func (e *ReadError) Class() string {
	var own interface{ Class() string }
	if errors.As(e.Err, &own) {
		return own.Class()
	}
	return "read"
}
