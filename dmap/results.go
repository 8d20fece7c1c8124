package dmap

import (
	"context"
	"errors"
	"iter"
)

// Results runs fn over src as Map does and yields each outcome as it settles; a failed item has its
// Err in the Result. The error is that of the run and comes last. Breaking out of the loop cancels
// the run and waits for its end.
func Results[T, R any](ctx context.Context, src Source[T], fn func(context.Context, T) (R, error), opts Options) iter.Seq2[Result[R], error] {
	return func(yield func(Result[R], error) bool) {
		out := &channelSink[R]{results: make(chan []Result[R]), broken: make(chan struct{})}
		run, err := Start(ctx, src, fn, opts, Sink[R](out))
		if err != nil {
			yield(Result[R]{}, err)
			return
		}
		defer func() { // also when the loop's body panics
			close(out.broken)
			run.Cancel(errLoopLeft)
			<-run.Done()
		}()
		for results := range out.results {
			for _, r := range results {
				if !yield(r, nil) {
					return
				}
			}
		}
		if _, err := run.Wait(); err != nil {
			yield(Result[R]{}, err)
		}
	}
}

var errLoopLeft = errors.New("the loop over the results was left")

// channelSink passes results to the loop that consumes them. The loop sets the pace.
type channelSink[R any] struct {
	results chan []Result[R]
	broken  chan struct{} // the loop has been left: nobody receives any more
}

func (s *channelSink[R]) Write(ctx context.Context, results []Result[R]) error {
	select {
	case s.results <- results:
		return nil
	case <-s.broken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Flush ends the loop.
func (s *channelSink[R]) Flush(context.Context) error {
	close(s.results)
	return nil
}
