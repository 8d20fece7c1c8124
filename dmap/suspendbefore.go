package dmap

import (
	"context"
	"time"
)

// The margin of SuspendBefore without a number.
const (
	marginShare = 10 // a tenth of the time that is left
	maxMargin   = time.Minute
)

// SuspendBefore returns a context that ends with the cause ErrSuspended, margin before the deadline
// of parent: for hosts that end a process after some time, such as functions and jobs in a cloud. A
// run under it stops as by [Run.Suspend] and is open; the next process resumes it. Calls in flight
// get Options.DrainTimeout, and at most half of the margin, to return; the rest is for saving
// results.
//
// margin 0 is a tenth of the time until the deadline, at most a minute. A margin is at most half of
// that time, so that each process gets something done. The deadline of the context stays that of
// parent. Without a deadline only parent and the returned function end the context.
//
//	ctx, stop := dmap.SuspendBefore(ctx, 30*time.Second)
//	defer stop()
func SuspendBefore(parent context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	deadline, ok := parent.Deadline()
	if !ok {
		return ctx, func() { cancel(context.Canceled) }
	}
	left := time.Until(deadline)
	timer := time.AfterFunc(left-marginOf(margin, left), func() { cancel(ErrSuspended) })
	return ctx, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

// marginOf is the margin that fits into the time that is left.
func marginOf(margin, left time.Duration) time.Duration {
	if margin <= 0 {
		margin = min(left/marginShare, maxMargin)
	}
	return min(margin, left/2)
}
