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

// After yields the objects under prefix that the store lists after the position after, in its
// order. An empty after yields all. A prefix without objects yields nothing; a bucket that does not
// exist yields an error. An error without an object is the last value. One with an object is a
// *Misplaced: the position after that object is not its key.
func After(ctx context.Context, bucket *blob.Bucket, prefix, after string, options ...Options) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		objects := paged(ctx, bucket, prefix, after, first(options))
		isFolder := hostfolder.Is(bucket)
		if isFolder {
			objects = walked(ctx, bucket, prefix, after)
		}
		order := newSequence(after, first(options))
		found := false
		for object, err := range objects {
			keep := false
			var misplaced *Misplaced
			if err == nil {
				found = true
				keep, misplaced, err = order.next(object.Key)
			}
			switch {
			case err != nil:
				yield(nil, transient.Explain(fmt.Errorf("list %q: %w", prefix, err)))
				return
			case misplaced != nil:
				if !yield(object, misplaced) {
					return
				}
			case keep && !yield(object, nil):
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
