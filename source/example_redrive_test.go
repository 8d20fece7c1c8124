package source_test

import (
	"context"
	"fmt"

	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A function with a mistake fails for some items; when it is mended, only these run again.
func ExampleFailures() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	divide := func(_ context.Context, n int) (int, error) {
		if n%2 == 0 {
			return 0, fmt.Errorf("%d is even", n)
		}
		return 12 / n, nil
	}
	_, err := dmap.Map(ctx, source.Slice([]int{1, 2, 3, 4}), divide,
		dmap.Options{RunID: "first", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Percentage: 60}}, sink.Bucket[int](bucket, "runs/"))
	fmt.Println("first:", err)

	mended := func(_ context.Context, n int) (string, error) { return fmt.Sprint("12/", n, "=", 12/n), nil }
	for r, err := range dmap.Results(ctx, source.Failures[int](bucket, "runs/first/manifest-000.json"), mended,
		dmap.Options{MaxConcurrency: 1}) {
		fmt.Println(r.ID(), r.Value, err)
	}
	// Output:
	// first: <nil>
	// item@1 12/2=6 <nil>
	// item@3 12/4=3 <nil>
}
