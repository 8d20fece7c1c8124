package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"

	"gocloud.dev/gcerrors"
)

// Retries of a write. The SDKs below retry 5xx answers on their own; here only what they pass on at the first attempt.
const (
	attempts  = 4
	firstWait = 250 * time.Millisecond // doubles; the real wait is between half of it and all of it
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

// persist runs op, which moves size bytes, until it succeeds, fails for good, or has failed too often. Goexit inside op is
// not survived but leaves nothing behind.
func persist(ctx context.Context, verb, key string, size int64, op func(context.Context) error) error {
	wait := firstWait
	for n := 1; ; n++ {
		err := attempt(ctx, size, op)
		if err == nil {
			return nil
		}
		if n == attempts || !transient(err) || ctx.Err() != nil {
			return describe(ctx, verb, key, n, err)
		}
		if !sleep(ctx, max(wait/2+rand.N(wait/2), asked(err))) {
			return describe(ctx, verb, key, n, err)
		}
		wait *= 2
	}
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

// sleep waits for d and is false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// asked is how long the store wants to be left alone, at most a minute.
func asked(err error) time.Duration {
	var after interface{ RetryAfter() time.Duration }
	if errors.As(err, &after) {
		return min(after.RetryAfter(), time.Minute)
	}
	return 0
}

// transient reports whether the same write may succeed in a moment.
func transient(err error) bool {
	if errors.Is(err, errStalled) || errors.Is(err, errUnderWay) {
		return true
	}
	var code interface{ ErrorCode() string } // smithy.APIError, without importing an SDK
	if errors.As(err, &code) {
		switch code.ErrorCode() {
		case "SlowDown", "TooManyRequests", "TooManyRequestsException", "Throttling", "ThrottlingException",
			"RequestLimitExceeded", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted":
			return true
		}
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		switch status.HTTPStatusCode() {
		case http.StatusTooManyRequests, http.StatusConflict:
			return true
		}
	}
	return gcerrors.Code(err) == gcerrors.ResourceExhausted || broken(err)
}

// broken reports whether the connection failed, not the request.
func broken(err error) bool {
	for _, reset := range []error{syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, io.ErrUnexpectedEOF} {
		if errors.Is(err, reset) {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, context.DeadlineExceeded)
}
