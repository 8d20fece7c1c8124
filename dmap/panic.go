package dmap

import (
	"errors"
	"runtime"
	"strings"

	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
)

// ErrGoexit is the error of an item whose call ended its goroutine by runtime.Goexit. It is not
// retried.
var ErrGoexit = errors.New("the function ended its goroutine")

// PanicError is a panic of a user's function. It costs its item and is not retried.
type PanicError struct {
	Value any    // of a longer string the first 16 KiB
	Stack []byte // at most 16 KiB
}

// Error describes the value, in at most 4 KiB. A map, and a value that is too large, are described
// by their type.
func (e *PanicError) Error() string { return "panic: " + errtext.PanicText(e.Value, maxShown) }

// WithoutValue is the text without the value, unless that is an error of the runtime: the value may
// be that of an item.
func (e *PanicError) WithoutValue() string { return "panic: " + errtext.PanicWithoutValue(e.Value) }

// Unwrap returns the panic's value if it is an error. An error that skips or holds its item is no
// cause: a panic fails it.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	if err == nil || skips(err) {
		return nil
	}
	if _, holds := guard.As[*HoldError](err); holds {
		return nil
	}
	return fromOutside(err)
}

// newPanicError makes a PanicError from what recover returned, with the stack of the calling
// goroutine.
func newPanicError(value any) *PanicError {
	if text, ok := value.(string); ok && len(text) > maxKept {
		value = strings.Clone(text[:maxKept])
	}
	stack := make([]byte, 16<<10)
	return &PanicError{Value: value, Stack: stack[:runtime.Stack(stack, false)]}
}
