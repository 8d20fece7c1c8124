package s3_test

import (
	"context"
	"log"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

//nolint:testableexamples // it needs an account: compiled, not run
func ExampleOpenBucket() {
	const calls = 1000
	ctx := context.Background()
	bucket, err := s3.OpenBucket(ctx, "s3://my-bucket?region=eu-central-1", s3.Options{Calls: calls})
	if err != nil {
		log.Fatal(err)
	}
	defer bucket.Close()
	objects := source.Objects(bucket, "applications/", source.ObjectsOptions{Store: s3.Store()})
	_, err = dmap.Map(ctx, objects, func(ctx context.Context, o source.Object) (int, error) {
		data, err := o.ReadAll(ctx)
		return len(data), err
	}, dmap.Options{MaxConcurrency: calls})
	if err != nil {
		log.Fatal(err)
	}
}
