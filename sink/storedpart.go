package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// storePart stores a part that is whole.
func storePart(ctx context.Context, bucket *blob.Bucket, key string, content []byte, records int64) (runfolder.Part, error) {
	sum := sha256.Sum256(content)
	p := runfolder.Part{Key: key, Size: int64(len(content)), Records: records, SHA256: hex.EncodeToString(sum[:])}
	return p, publish.Create(ctx, bucket, key, recordsAs, content)
}
