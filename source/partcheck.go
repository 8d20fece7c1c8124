package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// checked returns the object of a part of dmap after it has compared all of it with the manifest:
// no record counts before. Every reading of the part, also one that starts in the middle, must find
// the object that was compared.
func (r *redrive[T]) checked(ctx context.Context, p part) (Object, error) {
	if known, ok := r.known.Load(p); ok {
		return known.(Object), nil
	}
	object, err := Object{Key: p.Key, Size: -1, from: r.parts}.now(ctx)
	if err != nil {
		return Object{}, err
	}
	object.Size = p.Size
	in, err := object.open(ctx, 0)
	if err != nil {
		return Object{}, err
	}
	defer in.Close()
	var lines lineCounter
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(hash, &lines), in); err != nil {
		return Object{}, err
	}
	switch {
	case hex.EncodeToString(hash.Sum(nil)) != p.SHA256:
		err = errors.New("content has another SHA-256 than the manifest says")
	case int64(lines) != p.Records:
		err = fmt.Errorf("%d records, the manifest says %d", lines, p.Records)
	default:
		r.known.Store(p, object)
		return object, nil
	}
	return Object{}, fmt.Errorf("part %q: %w", p.Key, err)
}

// lineCounter counts the lines that are written to it.
type lineCounter int64

func (c *lineCounter) Write(p []byte) (int, error) {
	*c += lineCounter(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}
