package sink_test

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// numbers is a source of the numbers 0 to 9.
type numbers struct{}

func (numbers) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for n := range 10 {
			if !yield(dmap.Item[int]{Key: "numbers", Offset: int64(n), Value: n}, nil) {
				return
			}
		}
	}
}

// A run that writes its results into a bucket, and a program that reads them back.
func ExampleBucket() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()

	_, err := dmap.Map(ctx, numbers{}, func(_ context.Context, n int) (int, error) {
		if n == 7 {
			return 0, errors.New("no sevens")
		}
		return n * n, nil
	}, dmap.Options{RunID: "squares-1", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 1}}, sink.Bucket[int](bucket, "runs/"))
	fmt.Println("error:", err)

	manifest, err := results.Load(ctx, bucket, "runs/", "squares-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(manifest.Status, manifest.Stats.Succeeded, "of", manifest.Stats.Read)
	for r, err := range results.Successes[int](ctx, bucket, manifest) {
		fmt.Println(r.ID, r.Output, err)
		if r.Output == 4 {
			break
		}
	}
	for r, err := range results.Failures(ctx, bucket, manifest) {
		fmt.Println(r.ID, r.Error, string(r.Input), err)
	}
	// Output:
	// error: <nil>
	// SUCCEEDED 9 of 10
	// numbers@0 0 <nil>
	// numbers@1 1 <nil>
	// numbers@2 4 <nil>
	// numbers@7 no sevens 7 <nil>
}

func ExampleBucketOptions() {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	folder := sink.Bucket[int](bucket, "runs/", sink.BucketOptions{Records: "XML", PartBytes: -1})
	fmt.Println(folder.Validate()) // a run calls it before any I/O
	// Output:
	// sink: BucketOptions.Records "XML" is unknown
	// sink: BucketOptions.PartBytes -1: want 0 to 1073741824
}
