package results

import (
	"context"
	"errors"
	"iter"

	"gocloud.dev/blob"
)

// missing returns an error if an argument of a call is nil.
func missing(ctx context.Context, bucket *blob.Bucket) error {
	switch {
	case ctx == nil:
		return errors.New("results: the context is nil: pass context.Background()")
	case bucket == nil:
		return errors.New("results: the bucket is nil")
	}
	return nil
}

// failed yields only an error.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}
