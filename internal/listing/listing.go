// Package listing yields the objects of a bucket in key order, each once, at a cost that is linear
// in their number.
//
// After lists with one request at a time, any bucket. A Lister lists ranges of keys in parallel, in
// stores that can start a listing after a key.
//
// Bucket.List is no alternative. It is quadratic over memblob and fileblob, which sort or walk
// everything again for each page. Over fileblob it also loses keys: that driver walks directories
// before the files beside them ("a/x" before "a-b"), while its page tokens compare keys.
package listing

import (
	"context"
	"fmt"
	"iter"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// After yields the objects under prefix whose keys are greater than after, in key order. An empty
// after yields all. A prefix without objects yields nothing; a bucket that does not exist yields an
// error. An error is the last value.
func After(ctx context.Context, bucket *blob.Bucket, prefix, after string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		objects := paged(ctx, bucket, prefix, after)
		isFolder := hostfolder.Is(bucket)
		if isFolder {
			objects = walked(ctx, bucket, prefix, after)
		}
		found := false
		reached := false // keys up to after must not come any more
		for object, err := range objects {
			if err != nil {
				yield(nil, transient.Explain(fmt.Errorf("list %q: %w", prefix, err)))
				return
			}
			found = true
			if after != "" && object.Key <= after {
				if reached {
					yield(nil, fmt.Errorf("list %q: %w", prefix, orderError(object.Key, after)))
					return
				}
				reached = object.Key == after
				continue
			}
			reached = true
			if !yield(object, nil) {
				return
			}
		}
		if isFolder || found {
			return
		}
		// The driver of a folder that is not there any more lists nothing.
		if err := hostfolder.Missing(ctx, bucket); err != nil {
			yield(nil, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}
