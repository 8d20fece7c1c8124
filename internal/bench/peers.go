package main

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/samber/lo/parallel"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

// each calls do once per item of a slice, with at most limit concurrent calls.
type each[T any] func(ctx context.Context, limit int, items []T, do func(context.Context, T) error) error

// peer implements each without dmap.
type peer[T any] struct {
	name string
	each each[T]
}

// Case names that tables and targets refer to.
const (
	serialName     = "serial loop"
	atomicName     = "atomic index"
	goroutinesName = "goroutines, items shared out"
	errgroupName   = "errgroup SetLimit"
	chunkedName    = "channel of 64 items a send"
	pondName       = "pond"
	loName         = "samber/lo parallel, no limit"
)

// peers returns the peers, used as in their documentation. The first four are bounds, not
// alternatives: they need all items in memory, lose the order, or do not stop at an error.
func peers[T any]() []peer[T] {
	return []peer[T]{
		{name: serialName, each: serial[T]},
		{name: goroutinesName, each: sharedOut[T]},
		{name: atomicName, each: atomicIndex[T]},
		{name: chunkedName, each: chunkedChannel[T]},
		{name: "buffered channel", each: bufferedChannel[T]},
		{name: errgroupName, each: limitedGroup[T]},
		{name: "conc pool", each: concPool[T]},
		{name: pondName, each: pondPool[T]},
		{name: "ants", each: antsPool[T]},
		{name: loName, each: loParallel[T]},
	}
}

func serial[T any](ctx context.Context, _ int, items []T, do func(context.Context, T) error) error {
	for _, item := range items {
		if err := do(ctx, item); err != nil {
			return err
		}
	}
	return nil
}

// workers runs limit goroutines and waits for them.
func workers(ctx context.Context, limit int, work func(ctx context.Context, worker int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for w := range limit {
		group.Go(func() error { return work(ctx, w) })
	}
	return group.Wait()
}

func sharedOut[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	return workers(ctx, limit, func(ctx context.Context, w int) error {
		return serial(ctx, 1, items[w*len(items)/limit:(w+1)*len(items)/limit], do)
	})
}

func atomicIndex[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	var next atomic.Int64
	return workers(ctx, limit, func(ctx context.Context, _ int) error {
		for {
			i := next.Add(1) - 1
			if i >= int64(len(items)) {
				return nil
			}
			if err := do(ctx, items[i]); err != nil {
				return err
			}
		}
	})
}

func bufferedChannel[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	queue := make(chan T, limit)
	group, ctx := errgroup.WithContext(ctx)
	for range limit {
		group.Go(func() error {
			for item := range queue {
				if err := do(ctx, item); err != nil {
					return err
				}
			}
			return nil
		})
	}
	feed(ctx, queue, items)
	return group.Wait()
}

// feed sends all items, unless ctx ends, and then closes the channel.
func feed[T any](ctx context.Context, queue chan<- T, items []T) {
	defer close(queue)
	for _, item := range items {
		select {
		case queue <- item:
		case <-ctx.Done():
			return
		}
	}
}

func chunkedChannel[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	const size = 64
	chunks := make([][]T, 0, len(items)/size+1)
	for len(items) > 0 {
		n := min(size, len(items))
		chunks, items = append(chunks, items[:n]), items[n:]
	}
	return bufferedChannel(ctx, limit, chunks, func(ctx context.Context, chunk []T) error {
		return serial(ctx, 1, chunk, do)
	})
}

func limitedGroup[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limit)
	for _, item := range items {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}

func concPool[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	p := pool.New().WithMaxGoroutines(limit).WithContext(ctx)
	for _, item := range items {
		p.Go(func(ctx context.Context) error { return do(ctx, item) })
	}
	return p.Wait()
}

// firstError keeps the first error, for pools whose tasks return none.
type firstError struct {
	once sync.Once
	err  error
}

func (f *firstError) take(err error) {
	if err != nil {
		f.once.Do(func() { f.err = err })
	}
}

func pondPool[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	var first firstError
	p := pond.NewPool(limit, pond.WithContext(ctx), pond.WithQueueSize(limit))
	for _, item := range items {
		if err := p.Go(func() { first.take(do(ctx, item)) }); err != nil {
			first.take(err)
			break
		}
	}
	p.StopAndWait()
	return first.err
}

func antsPool[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	p, err := ants.NewPool(limit)
	if err != nil {
		return err
	}
	defer p.Release()
	var first firstError
	var all sync.WaitGroup
	for _, item := range items {
		all.Add(1)
		err := p.Submit(func() {
			defer all.Done()
			first.take(do(ctx, item))
		})
		if err != nil {
			all.Done()
			first.take(err)
			break
		}
	}
	all.Wait()
	return first.err
}

func loParallel[T any](ctx context.Context, _ int, items []T, do func(context.Context, T) error) error {
	var first firstError
	parallel.ForEach(items, func(item T, _ int) { first.take(do(ctx, item)) })
	return first.err
}
