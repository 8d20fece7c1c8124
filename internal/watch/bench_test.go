package watch

import (
	"fmt"
	"testing"

	"context"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// BenchmarkFailure is the cost of a failed item of a run with an observer, beside one without.
func BenchmarkFailure(b *testing.B) {
	for _, observed := range []bool{false, true} {
		b.Run(fmt.Sprintf("observed=%v", observed), func(b *testing.B) {
			opts := dmap.Options{Tolerance: dmap.Tolerance{Percentage: 100}, MaxConcurrency: 10}
			if observed {
				opts.Observer = NewSet(Options{}).Observer()
			}
			_, err := dmap.Map(b.Context(), source.Slice(make([]struct{}, b.N)), func(ctx context.Context, _ struct{}) (struct{}, error) {
				info, _ := dmap.InfoFrom(ctx)
				return struct{}{}, fmt.Errorf("kind %c%c%c: no rate for year %d", 'a'+info.Index%17, 'a'+info.Index/17%17, 'a'+info.Index/289%17, info.Index)
			}, opts)
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
