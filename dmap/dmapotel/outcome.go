package dmapotel

import (
	"context"
	"errors"
	"slices"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// callOutcome is the outcome of a call that has ended with err. interrupted: the context of the
// call has ended, which is the work of the run: the timeout of a call is not in it.
func callOutcome(err error, interrupted bool) string {
	var some batch.Errors
	switch {
	case err == nil:
		return OutcomeSucceeded
	case errors.As(err, &some):
		return batchOutcome(some, interrupted)
	case errors.Is(err, dmap.ErrSkip):
		return OutcomeSkipped
	case held(err):
		return OutcomeHeld
	case interrupted:
		return OutcomeAborted
	default:
		return failedOutcome(err)
	}
}

// batchOutcome is the outcome of a call of which some items have an error: failed or worse if one
// of them has failed, else succeeded.
func batchOutcome(some batch.Errors, interrupted bool) string {
	at, failed := firstFailed(some)
	switch {
	case !failed:
		return OutcomeSucceeded
	case interrupted:
		return OutcomeAborted
	default:
		return safely(OutcomeFailed, func() string { return failedOutcome(some[at]) })
	}
}

// failedOutcome is the outcome of an item that has failed.
func failedOutcome(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return OutcomeTimedOut
	}
	return OutcomeFailed
}

// firstFailed is the lowest position of an item that has failed.
func firstFailed(some batch.Errors) (at int, ok bool) {
	for i, err := range some {
		if failed(err) && (!ok || i < at) {
			at, ok = i, true
		}
	}
	return at, ok
}

// failedItems returns the positions of the items that have failed, the first most of them in order,
// and how many there are.
func failedItems(some batch.Errors, most int) (first []int, all int) {
	for i, err := range some {
		if failed(err) {
			first = append(first, i)
		}
	}
	slices.Sort(first)
	return first[:min(most, len(first))], len(first)
}

// failed reports whether an item of a batch with this error has failed: it is neither skipped nor
// held.
func failed(err error) bool {
	return safely(true, func() bool { return err != nil && !errors.Is(err, dmap.ErrSkip) && !held(err) })
}

// safely returns the result of f, or usual if it panics: an error of an event survives its methods,
// but those inside a batch.Errors are as the function has made them.
func safely[T any](usual T, f func() T) (out T) {
	defer func() {
		if recover() != nil {
			out = usual
		}
	}()
	return f()
}

func held(err error) bool {
	var h *dmap.HoldError
	return errors.As(err, &h)
}

// errorOf is the error that names the class of a call: in a batch that of the first item that has
// failed.
func errorOf(err error) error {
	var some batch.Errors
	if errors.As(err, &some) {
		if at, ok := firstFailed(some); ok {
			return some[at]
		}
	}
	return err
}
