package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/internal/throttle"
	"github.com/go-dmap/dmap/internal/transient"
)

// The SDKs make about three attempts within a second, and only one for errors that they do not
// know, or that source/cloud/s3 leaves to dmap.
const (
	attempts  = 4
	firstWait = 250 * time.Millisecond
)

// errUnderWay is a refused write to a key without an object: the other write is not done yet.
var errUnderWay = errors.New("another writer is creating the object")

// errChanging is a listing of a local folder whose files vanish meanwhile.
var errChanging = errors.New("files of the folder vanish while it is listed")

// errNotStored is a write that the store has confirmed and not made.
var errNotStored = errors.New("the store has confirmed the object, and does not have it")

// persist runs op until it succeeds, fails for good, or has failed `attempts` times, within the
// limits of package transient: op tells its context of the bytes that it moves. It does not repeat
// unexplained errors: a full disk, for example, stays full. If op calls runtime.Goexit, the
// goroutine ends and no partial object remains.
func persist(ctx context.Context, verb, key string, op func(*transient.Limit) error) error {
	retry := transient.Retry{
		Attempts: attempts, Patience: transient.Patience, Again: again, Free: throttled,
		Backoff: transient.Backoff{First: firstWait, Max: transient.LongestThrottledWait},
	}
	n, err := retry.Do(ctx, func() error { return attempt(ctx, op) })
	if err != nil {
		return transient.Explain(describe(ctx, verb, key, n, err))
	}
	return nil
}

// again reports whether the same operation may succeed in a moment.
func again(err error) bool {
	return errors.Is(err, transient.ErrStalled) || errors.Is(err, errUnderWay) || errors.Is(err, errChanging) ||
		errors.Is(err, errNotStored) || transient.Classify(err) == transient.Transient
}

// throttled reports whether the store answered that it gets too many requests. Such attempts do not
// count: a store may throttle for longer than a few attempts take.
func throttled(err error) bool { return transient.Answered(err) && throttle.Is(err) }

// attempt runs op once, within a time limit.
func attempt(ctx context.Context, op func(*transient.Limit) error) (err error) {
	limit := transient.NewLimit(ctx, transient.Stall)
	defer func() { err = limit.End(err) }() // also after a Goexit
	return op(limit)
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
