package publish

import (
	"context"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/transient"
)

// Delete removes the object under key. An object that is not there is no error: an earlier attempt
// may have removed it.
func Delete(ctx context.Context, bucket *blob.Bucket, key string) error {
	return persist(ctx, "delete", key, func(ctx *transient.Limit) error {
		err := bucket.Delete(ctx, key)
		if transient.Absent(err) {
			return nil
		}
		return err
	})
}
