package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/internal/transient"
)

// The SDKs make about three attempts within a second, and only one for errors that they do not
// know.
const (
	attempts  = 4
	firstWait = 250 * time.Millisecond
)

// An attempt may take a minute plus a second for every 64 KiB. SDKs wait without a limit for a
// store that does not answer.
const (
	leastTime = time.Minute
	leastRate = 64 << 10 // bytes a second
)

var (
	errStalled = errors.New("the store does not answer")
	// errUnderWay is a refused write to a key without an object: the other write is not done yet.
	errUnderWay = errors.New("another writer is creating the object")
)

// persist runs op, which moves size bytes, until it succeeds, fails for good, or has failed
// `attempts` times. It does not repeat unexplained errors: a full disk, for example, stays full. If
// op calls runtime.Goexit, the goroutine ends and no partial object remains.
func persist(ctx context.Context, verb, key string, size int64, op func(context.Context) error) error {
	retry := transient.Retry{Attempts: attempts, Backoff: transient.Backoff{First: firstWait}, Again: again}
	n, err := retry.Do(ctx, func() error { return attempt(ctx, size, op) })
	if err != nil {
		return transient.Explain(describe(ctx, verb, key, n, err))
	}
	return nil
}

// again reports whether the same operation may succeed in a moment.
func again(err error) bool {
	return errors.Is(err, errStalled) || errors.Is(err, errUnderWay) || transient.Classify(err) == transient.Transient
}

// attempt runs op once, within a time limit.
func attempt(ctx context.Context, size int64, op func(context.Context) error) error {
	limit := leastTime + time.Duration(size/leastRate)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errStalled)
	defer cancel()
	err := op(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("%w within %v: %w", errStalled, limit, err)
	}
	return err
}

// describe adds the object, the number of attempts and the cause of ctx to err.
func describe(ctx context.Context, verb, key string, n int, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if n > 1 {
		return fmt.Errorf("%s %q (%d attempts): %w", verb, key, n, err)
	}
	return fmt.Errorf("%s %q: %w", verb, key, err)
}
