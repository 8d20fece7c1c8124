package dmap

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/batch"
)

// callContext is the context of one call: that of all calls of the run, plus Info, which is built only if asked for.
// The contexts of a chunk's items are allocated together and never reused, so a function may keep its own.
type callContext[T, R any] struct {
	context.Context
	chunk   *chunk[T, R]
	item    int
	attempt int
}

// Value returns the Info of the call, or what the caller's context holds.
func (c *callContext[T, R]) Value(key any) any {
	if key == (infoKey{}) {
		return c.chunk.info(c.item, c.attempt)
	}
	return c.Context.Value(key)
}

// spread turns the outcome of a batch call into one error per item, nil where it succeeded.
func spread(n, values int, err error) []error {
	errs := make([]error, n)
	fail := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	var some batch.Errors
	switch {
	case err != nil && !errors.As(err, &some):
		return fail(err)
	case some.Err() != nil && values == 0 && len(some) == n, values == n:
	default:
		return fail(Permanent(fmt.Errorf("the batch function returned %d values for %d items", values, n)))
	}
	for i, e := range some {
		if i < 0 || i >= n {
			return fail(Permanent(fmt.Errorf("batch.Errors names position %d of a batch of %d items: %w", i, n, e)))
		}
		errs[i] = e
	}
	return errs
}
