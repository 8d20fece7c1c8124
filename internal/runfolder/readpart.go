package runfolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/publish"
)

// ReadPart reads a part whole and compares it with its entry in a record: a manifest, a commit, or
// the begin of a redrive. Its content ends with a newline, unless it is empty.
func ReadPart(ctx context.Context, bucket *blob.Bucket, p Part) ([]byte, error) {
	content, err := publish.Read(ctx, bucket, p.Key, p.Size)
	if err != nil {
		return nil, fmt.Errorf("part: %w", err)
	}
	sum := sha256.Sum256(content)
	switch {
	case int64(len(content)) != p.Size:
		err = fmt.Errorf("%d bytes, %d are recorded", len(content), p.Size)
	case hex.EncodeToString(sum[:]) != p.SHA256:
		err = errors.New("its content has another SHA-256 than is recorded")
	case int64(bytes.Count(content, []byte{'\n'})) != p.Records || p.Size > 0 && content[p.Size-1] != '\n':
		err = fmt.Errorf("it does not have the %d lines that are recorded", p.Records)
	default:
		return content, nil
	}
	return nil, attention.Mark(fmt.Errorf("part %q: %w: restore it", p.Key, err))
}
