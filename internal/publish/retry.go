package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/internal/transient"
)

// The SDKs below make about three attempts within a second, and one for answers that they do not expect.
const (
	attempts  = 4
	firstWait = 250 * time.Millisecond
)

// An attempt may take a minute, and a second for every 64 KiB: SDKs wait for ever for a store that does not answer.
const (
	leastTime = time.Minute
	leastRate = 64 << 10
)

var (
	errStalled  = errors.New("the store does not answer")
	errUnderWay = errors.New("another writer is creating it")
)

// persist runs op, which moves size bytes, until it succeeds, fails for good, or has failed `attempts` times. It does not
// repeat unexplained errors: a full disk, for example, stays full. If op calls runtime.Goexit, the goroutine ends; no partial
// object remains.
func persist(ctx context.Context, verb, key string, size int64, op func(context.Context) error) error {
	retry := transient.Retry{Attempts: attempts, Backoff: transient.Backoff{First: firstWait}, Again: again}
	n, err := retry.Do(ctx, func() error { return attempt(ctx, size, op) })
	if err != nil {
		return describe(ctx, verb, key, n, err)
	}
	return nil
}

// again reports whether the same operation may succeed in a moment.
func again(err error) bool {
	return errors.Is(err, errStalled) || errors.Is(err, errUnderWay) || transient.Classify(err) == transient.Transient
}

// attempt runs op with a limit of time.
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

// describe names object, attempts and cause.
func describe(ctx context.Context, verb, key string, n int, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if n > 1 {
		return fmt.Errorf("%s %q (%d attempts): %w", verb, key, n, err)
	}
	return fmt.Errorf("%s %q: %w", verb, key, err)
}
