// Package probe tries single operations on a bucket for a preflight: each within half of the time
// that remains, so that one that hangs leaves time for the others, and with the next step for a
// person if it fails.
package probe

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/bucketname"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// Bucket is a bucket on which operations are tried.
type Bucket struct {
	name   string
	folder bool // of this host
	report func(dmap.Check)
}

// Of returns a Bucket that reports each try.
func Of(bucket *blob.Bucket, report func(dmap.Check)) Bucket {
	return Bucket{bucketname.Of(bucket), bucket != nil && hostfolder.Is(bucket), report}
}

// ignorance is how long a driver may ignore the end of its context.
const ignorance = 300 * time.Millisecond

// shortest is the least time that a try gets while ctx has not ended.
const shortest = 100 * time.Millisecond

// Try runs f, which tries op on key, and reports it. It returns the reported error. f runs on a
// goroutine of its own. If f ignores the end of its context Try abandons it: the caller must not
// use what f has set after an error.
func (b Bucket) Try(ctx context.Context, op Op, key string, f func(context.Context) (found string, err error)) error {
	began := time.Now()
	found, err := Within(ctx, f)
	err = transient.Explain(err)
	b.report(dmap.Check{
		Op: string(op), Bucket: b.name, Key: key, Found: found, Err: err, Next: next(op, err, b.folder), Took: time.Since(began),
	})
	return err
}

// Skip reports that op on key was not tried.
func (b Bucket) Skip(op Op, key, why string) {
	b.report(dmap.Check{Op: string(op), Bucket: b.name, Key: key, NotTried: true, Found: why})
}

// Within runs f for at most half of the time that ctx has, on a goroutine of its own, and abandons
// it if it ignores the end of its context.
func Within(ctx context.Context, f func(context.Context) (string, error)) (string, error) {
	if deadline, ok := ctx.Deadline(); ok {
		half := max(time.Until(deadline)/2, shortest)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, half, noAnswer(half))
		defer cancel()
	}
	if ctx.Err() != nil { // not every driver looks
		return "", context.Cause(ctx)
	}
	type outcome struct {
		found string
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		out := outcome{err: dmap.ErrGoexit}
		defer func() {
			if p := recover(); p != nil {
				out.err = fmt.Errorf("panic in the bucket's driver: %v\n%s", p, debug.Stack())
			}
			done <- out
		}()
		out.found, out.err = f(ctx)
	}()
	select {
	case out := <-done:
		return out.found, explained(ctx, out.err)
	case <-ctx.Done():
	}
	timer := time.NewTimer(ignorance)
	defer timer.Stop()
	select {
	case out := <-done:
		return out.found, explained(ctx, out.err)
	case <-timer.C:
		return "", fmt.Errorf("%w, and the driver ignores the end of its context", context.Cause(ctx))
	}
}

// explained adds the cause of ctx to the error of an operation that ctx has ended.
func explained(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !guard.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// noAnswer is the cause of the end of a try.
func noAnswer(limit time.Duration) error {
	return &noAnswerError{limit}
}

type noAnswerError struct{ limit time.Duration }

func (e *noAnswerError) Error() string {
	return fmt.Sprintf("no answer within %v", e.limit.Round(10*time.Millisecond))
}

// Is reports whether target is context.DeadlineExceeded.
func (e *noAnswerError) Is(target error) bool { return target == context.DeadlineExceeded }
