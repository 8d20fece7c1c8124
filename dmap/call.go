package dmap

import (
	"context"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/guard"
)

// callContext is the context of one call: that of all calls of the run, plus Info, which is built
// only on request. The contexts of the items of a chunk are allocated together and never reused, so
// a function may keep its own.
type callContext struct {
	task   *taskContext
	key    string
	offset int64
	index  int64
}

// taskContext is what the contexts of a task share.
type taskContext struct {
	*calls
	split     string
	attempt   int
	items     int         // of the batch of the call; 0: the call is no batch
	decisions []*Decision // about the items of the call, which were held; nil: they were not
}

// calls is what the contexts of all calls of a run share.
type calls struct {
	context.Context
	runID   string
	redrive int // number of the redrive; 0: none

	spending *spending
}

func (c *callContext) Deadline() (time.Time, bool) { return c.task.Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.task.Done() }
func (c *callContext) Err() error                  { return c.task.Err() }

// Value returns the context itself, which knows the Info of the call, or what the caller's context
// holds.
func (c *callContext) Value(key any) any {
	if key == (infoKey{}) {
		return c
	}
	return c.task.Value(key)
}

func (c *callContext) info() Info {
	return Info{
		RunID: c.task.runID, Redrive: c.task.redrive, Split: c.task.split, Key: c.key, Offset: c.offset, Index: c.index,
		Attempt: c.task.attempt, Decision: c.task.decisionAt(0),
	}
}

// infoKey is the context key under which a call finds its own context.
type infoKey struct{}

// InfoFrom returns the Info of the call that ctx belongs to; for a batch that of its first item.
// Outside a call it returns false and the zero Info, whose IdempotencyKey is empty.
func InfoFrom(ctx context.Context) (Info, bool) {
	call, ok := ctx.(*callContext) // the context that the function got needs no search
	if !ok {
		call, ok = ctx.Value(infoKey{}).(*callContext)
	}
	if !ok {
		return Info{}, false
	}
	return call.info(), true
}

// spread turns the outcome of a batch call into one error per item, nil where it succeeded, or nil
// if all have.
func spread(n, values int, err error) []error {
	if err == nil && values == n {
		return nil
	}
	errs := make([]error, n)
	fail := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	some, err := named(err)
	switch {
	case err != nil:
		return fail(err)
	case some.Err() != nil && values == 0 && len(some) == n, values == n:
	default:
		return fail(wrongCount(values, n))
	}
	for i, e := range some {
		if i < 0 || i >= n {
			return fail(Permanent(fmt.Errorf("batch.Errors names position %d of a batch of %d items: %s", i, n, errorText(e))))
		}
		errs[i] = e
	}
	return errs
}

// wrongCount is the error of all items of a batch.
func wrongCount(values, n int) error {
	return Permanent(fmt.Errorf("the batch function returned %d values for %d items", values, n))
}

// named returns the batch.Errors in err, or the error of all items if err holds none, or if a
// method of err panics or ends its goroutine: then that.
func named(err error) (some batch.Errors, whole error) {
	if some, ok := err.(batch.Errors); ok { //nolint:errorlint // the usual form needs no search
		return some, nil
	}
	if guard.PlainError(err) { // batch.Errors is not plain
		return nil, err
	}
	some, how := guard.Call(func() batch.Errors { some, _ := guard.ChainAs[batch.Errors](err); return some })
	if how != "" {
		return nil, fmt.Errorf("the error of the batch is a %T with a method that %s", err, how)
	}
	if some != nil {
		return some, nil
	}
	return nil, err
}

// timedOut makes an error after the end of a call's own timeout match context.DeadlineExceeded,
// whatever the function returned.
func timedOut(limited, parent context.Context, err error) error {
	if err == nil || parent.Err() != nil || limited.Err() == nil || matches(err, context.DeadlineExceeded) {
		return err
	}
	return &timeoutError{err}
}

// timeoutError is the error of a call after the end of its timeout.
type timeoutError struct{ err error }

func (e *timeoutError) Error() string {
	return context.DeadlineExceeded.Error() + ": " + errorText(e.err)
}

// Unwrap returns the end of the timeout and the error that the function returned.
func (e *timeoutError) Unwrap() []error { return []error{context.DeadlineExceeded, e.err} }

// decisionAt is the decision about item i of the call.
func (c *taskContext) decisionAt(i int) *Decision {
	if i < 0 || i >= len(c.decisions) {
		return nil
	}
	return c.decisions[i]
}

// DecisionAt is the decision about item i, from 0, of the batch of a call: its position in the
// slice that the function got. nil: the item was not held. Outside a batch only 0 has one.
func DecisionAt(ctx context.Context, i int) *Decision {
	call, ok := ctx.Value(infoKey{}).(*callContext)
	if !ok {
		return nil
	}
	return call.task.decisionAt(i)
}
