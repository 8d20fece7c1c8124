package dmap_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/usage"
	"github.com/go-dmap/dmap/source"
)

// nowhere is a sink that drops everything.
type nowhere struct{}

func (nowhere) Write(context.Context, []dmap.Result[int]) error { return nil }
func (nowhere) Flush(context.Context) error                     { return nil }
func (nowhere) ConcurrentWrites()                               {}
func (nowhere) BorrowsResults()                                 {}

// The cost of an item beside that of a goroutine per item. Compare CPU within one run: the
// machine's speed drifts.
func BenchmarkFanOut(b *testing.B) {
	for _, calls := range []int{100, 1000} {
		b.Run(fmt.Sprintf("Map/calls=%d", calls), func(b *testing.B) {
			input := make([]int, b.N)
			measureCPU(b, func() {
				stats, err := dmap.Map(b.Context(), source.Slice(input), double, dmap.Options{MaxConcurrency: calls}, dmap.Sink[int](nowhere{}))
				if err != nil || stats.Succeeded != int64(b.N) {
					b.Fatal(stats, err)
				}
			})
		})
		b.Run(fmt.Sprintf("MapBatch400/calls=%d", calls), func(b *testing.B) {
			input := make([]int, b.N)
			measureCPU(b, func() {
				stats, err := dmap.MapBatch(b.Context(), source.Slice(input), batch.Limits{Items: 400}, doubles,
					dmap.Options{MaxConcurrency: calls}, dmap.Sink[int](nowhere{}))
				if err != nil || stats.Succeeded != int64(b.N) {
					b.Fatal(stats, err)
				}
			})
		})
		b.Run(fmt.Sprintf("errgroup/calls=%d", calls), func(b *testing.B) {
			measureCPU(b, func() {
				var group errgroup.Group
				group.SetLimit(calls)
				for i := range b.N {
					group.Go(func() error {
						_, err := double(b.Context(), i)
						return err
					})
				}
				if err := group.Wait(); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func doubles(_ context.Context, items []dmap.Item[int]) ([]int, error) {
	out := make([]int, len(items))
	for i, item := range items {
		out[i] = 2 * item.Value
	}
	return out, nil
}

// measureCPU reports the CPU time of all goroutines: wall time on a shared machine says little.
func measureCPU(b *testing.B, f func()) {
	b.ReportAllocs()
	before := usage.Now()
	f()
	b.ReportMetric(float64(usage.Now().CPU-before.CPU)/float64(b.N), "cpu-ns/op")
}
