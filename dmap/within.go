package dmap

import (
	"context"
	"fmt"
	"time"
)

// defaultAbandonAfter is how long a source or a sink may ignore the end of its context if
// Options.AbandonAfter does not say.
const defaultAbandonAfter = 10 * time.Minute

// ignorance is how long sources and sinks may ignore the end of their contexts.
func (o Options) ignorance() time.Duration {
	if o.AbandonAfter > 0 {
		return o.AbandonAfter
	}
	return defaultAbandonAfter
}

// ignoredError says that a source or a sink was abandoned. It matches ErrStuck.
type ignoredError struct {
	what  string // such as "Write"
	limit time.Duration
}

func (e *ignoredError) Error() string {
	return fmt.Sprintf("%s still ran %v after the end of its context and was abandoned: see Options.AbandonAfter", e.what, e.limit)
}

// Is reports whether target is ErrStuck.
func (e *ignoredError) Is(target error) bool { return target == ErrStuck }

// within is isolated for a call that gets ctx. A call that ignores the end of ctx for longer than
// limit is abandoned: f must not write to what the caller uses after that error.
func within(ctx context.Context, limit time.Duration, what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := ErrGoexit
		defer func() { done <- err }()
		err = recovering(f)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return &ignoredError{what, limit}
	}
}
