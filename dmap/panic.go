package dmap

import (
	"errors"
	"fmt"
	"runtime"
)

// ErrGoexit is the error of an item whose call ended its goroutine by runtime.Goexit. It is not
// retried.
var ErrGoexit = errors.New("the function ended its goroutine")

// PanicError is a panic of a user's function. It costs its item and is not retried.
type PanicError struct {
	Value any
	Stack []byte // at most 16 KiB
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// newPanicError makes a PanicError from what recover returned, with the stack of the calling
// goroutine.
func newPanicError(value any) *PanicError {
	stack := make([]byte, 16<<10)
	return &PanicError{Value: value, Stack: stack[:runtime.Stack(stack, false)]}
}
