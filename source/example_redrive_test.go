package source_test

import (
	"context"
	"errors"
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
		dmap.Options{Parent: "first", MaxConcurrency: 1}) {
		fmt.Println(r.ID(), r.Value, err)
	}
	// Output:
	// first: <nil>
	// item@1 12/2=6 <nil>
	// item@3 12/4=3 <nil>
}

// What a cancelled run has left: items that it had read, and the part of the source that it had
// not.
func ExampleUnread() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	src := source.Slice(make([]int, 5000))
	enough := errors.New("enough for today")
	run, err := dmap.Start(ctx, src, func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, dmap.Options{RunID: "monday"}, sink.Bucket[int](bucket, "runs/"))
	if err != nil {
		fmt.Println(err)
		return
	}
	run.Cancel(enough)
	_, err = run.Wait()
	fmt.Println("monday:", errors.Is(err, enough))

	manifest := "runs/monday/manifest-000.json"
	rest := source.Concat(source.Pending[int](bucket, manifest), source.Unread(src, bucket, manifest))
	stats, err := dmap.Map(ctx, rest, func(context.Context, int) (int, error) { return 1, nil },
		dmap.Options{RunID: "tuesday", Parent: "monday"}, sink.Bucket[int](bucket, "runs/"))
	fmt.Println("tuesday:", stats.Succeeded, err)
	// Output:
	// monday: true
	// tuesday: 5000 <nil>
}
