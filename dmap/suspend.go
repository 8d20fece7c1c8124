package dmap

import (
	"context"
	"os"
	"os/signal"
)

// SuspendOn returns a context that ends with the cause ErrSuspended when one of the signals
// arrives. A run under it stops as by [Run.Suspend], and another process can resume it. A second
// signal has its default effect: it ends the process. The returned function stops the notification.
//
//	ctx, stop := dmap.SuspendOn(ctx, os.Interrupt, syscall.SIGTERM)
//	defer stop()
func SuspendOn(parent context.Context, signals ...os.Signal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, signals...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-arrived:
			cancel(ErrSuspended)
		case <-ctx.Done():
		}
		signal.Stop(arrived)
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-done
	}
}
