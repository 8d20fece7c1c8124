package dmap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/scrub"
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
	return e.describe(func(broken *BrokenObjectError) string { return broken.Error() })
}

// describe is the text of e; object is that of an object that broke off.
func (e *ToleranceError) describe(object func(*BrokenObjectError) string) string {
	var b strings.Builder
	if e.Broken > 0 {
		fmt.Fprintf(&b, "%v: %d objects broke off, allowed: %d (Tolerance.BrokenObjects); their rests are unread",
			ErrTolerance, e.Broken, e.Tolerance.BrokenObjects)
		for _, broken := range e.FirstBroken {
			b.WriteString("\n\t" + object(broken))
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%v: %d of %d items failed, allowed: %v", ErrTolerance, e.Failed, e.Of, e.Tolerance)
	for _, f := range e.First {
		b.WriteString("\n\t" + f.Error())
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

func (e *SourceError) Error() string { return e.describe(nil) }

// describe is the text of e by the rules of a run.
func (e *SourceError) describe(rules *errtext.Rules) string {
	at := scrub.Text(e.Source, maxText)
	if id := e.Split.ID; id != "" {
		if key := e.Split.Object; key != "" {
			id = strings.ReplaceAll(id, key, rules.ShownKey(key))
		}
		at = fmt.Sprintf("%s split %q", at, scrub.Text(id, maxText))
	}
	return fmt.Sprintf("source %s: %s", at, rules.Text(e.Err, e.Split.Object, maxShown))
}

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return fromOutside(e.Err) }

// SinkError says that a sink failed. Results that it had not made durable are lost; Err names them
// if the sink knows them.
type SinkError struct {
	Op  string // "open", "begin", "restore", "write", "commit", "append", "flush", "end" or "close"
	Err error
}

func (e *SinkError) Error() string { return fmt.Sprintf("sink %s: %s", e.Op, errorText(e.Err)) }

// Unwrap returns the cause.
func (e *SinkError) Unwrap() error { return fromOutside(e.Err) }

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
// chain, else "error". That is also the class of an error with a method that panics, ends its
// goroutine, or does not return within 10 s, and of one whose class is empty. A class has at most
// 64 bytes, and control characters are escapes in it.
func Class(err error) string {
	if err == nil {
		return ""
	}
	if guard.Searchable(err) {
		return class(err)
	}
	name, how := guard.Call(func() string { return class(err) })
	if how != "" {
		return "error"
	}
	return name
}

// class is Class for a caller that survives all that methods of err do.
func class(err error) string {
	own, has := guard.ChainAs[interface{ Class() string }](err)
	_, panicked := guard.ChainAs[*PanicError](err)
	switch {
	case has:
		return nameOf(own)
	case panicked:
		return "panic"
	case guard.ChainIs(err, ErrGoexit):
		return "goexit"
	case guard.ChainIs(err, ErrStuck):
		return "stuck"
	case guard.ChainIs(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return "error"
	}
}

// nameOf is the class that an error gives itself. It may be one of a user that an error of dmap
// wraps, which is plain.
func nameOf(own interface{ Class() string }) string {
	if err, ok := own.(error); ok && guard.PlainError(err) {
		return ownName(own.Class())
	}
	name, how := guard.Call(own.Class)
	if how != "" {
		return "error"
	}
	return ownName(name)
}

// maxClass is the maximal length of a class in bytes.
const maxClass = 64

// ownName is name as a class, which logs, metrics and pages show on one line.
func ownName(name string) string {
	if name == "" {
		return "error"
	}
	return scrub.Clip(scrub.Printable(scrub.Text(name, maxClass), false), maxClass)
}

// ownClass is the result of the method Class of an error in the chain of err, usual if there is
// none.
func ownClass(err error, usual string) string {
	own, ok := guard.As[interface{ Class() string }](err)
	if !ok {
		return usual
	}
	if name := Class(own.(error)); name != "error" {
		return name
	}
	return usual
}

// ReadError is the error of an item that could not be read. The engine wraps Item.Err in it.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return "read: " + errorText(e.Err) }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return fromOutside(e.Err) }

// Class returns "read" unless the cause has a class of its own.
func (e *ReadError) Class() string {
	return ownClass(e.Err, "read")
}
