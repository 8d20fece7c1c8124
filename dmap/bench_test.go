package dmap_test

import (
	"context"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/dmap"
)

// nowhere is a sink that drops everything.
type nowhere struct{}

func (nowhere) Write(context.Context, []dmap.Result[int]) error { return nil }
func (nowhere) Flush(context.Context) error                     { return nil }
func (nowhere) ConcurrentWrites()                               {}

// The cost of an item beside that of a goroutine per item. Compare within one run: the machine's speed drifts.
func BenchmarkFanOut(b *testing.B) {
	b.Run("Map", func(b *testing.B) {
		b.ReportAllocs()
		stats, err := dmap.Map(b.Context(), numbers(b.N), double, dmap.Options{}, dmap.Sink[int](nowhere{}))
		if err != nil || stats.Succeeded != int64(b.N) {
			b.Fatal(stats, err)
		}
	})
	b.Run("errgroup", func(b *testing.B) {
		b.ReportAllocs()
		var group errgroup.Group
		group.SetLimit(dmap.DefaultMaxConcurrency)
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
}
