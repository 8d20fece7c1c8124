// Package budget bounds the memory that all readers of a process take at once for what their input
// asks for: the windows of decompressors, and batches of many items in one record.
package budget

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Bytes is the budget of the process.
const Bytes = 64 << 20

var readers = semaphore.NewWeighted(Bytes) //nolint:gochecknoglobals // the memory of a process is one

// Take takes n bytes of the budget, all of it if n is more, until release is called. It waits while
// other readers have too much, and returns the cause of ctx if that ends first. A reader that waits
// must not hold another part of the budget, unless ctx is one of Within.
func Take(ctx context.Context, n int64) (release func(), err error) {
	if within, _ := ctx.Value(key{}).(bool); within || n <= 0 {
		return func() {}, nil
	}
	n = min(n, Bytes)
	if readers.Acquire(ctx, n) != nil {
		return nil, context.Cause(ctx)
	}
	return sync.OnceFunc(func() { readers.Release(n) }), nil
}

type key struct{}

// Within returns a context for a second reading of a reader that holds a part of the budget, which
// is as large as the first.
func Within(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }
