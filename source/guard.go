package source

import (
	"runtime"

	"github.com/go-dmap/dmap/dmap"
)

// guard calls a user's function and returns a panic as a *dmap.PanicError.
func guard(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicError(value)
		}
	}()
	return f()
}

// maxStack bounds the stack that an error keeps, in bytes.
const maxStack = 16 << 10

// panicError returns the error for a value from recover, with the stack of the calling goroutine.
func panicError(value any) error {
	stack := make([]byte, maxStack)
	return &dmap.PanicError{Value: value, Stack: stack[:runtime.Stack(stack, false)]}
}
