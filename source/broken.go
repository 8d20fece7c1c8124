package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/body"
	"github.com/go-dmap/dmap/internal/budget"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/unpack"
)

// breaksOff reports whether an error that ends the reading of an object, after the content before
// at, comes from the object itself: then another reading would end with it too. Other errors are
// those of the store, which may be over when the run resumes.
func breaksOff(err error, at int64) bool {
	_, row := guarded.As[*RowError](err)
	_, limit := guarded.As[*LimitError](err)
	_, packed := guarded.As[*unpack.Error](err)
	_, gone := guarded.As[*body.Gone](err)
	switch {
	case row, limit, packed, guarded.Is(err, io.ErrUnexpectedEOF):
		return true
	case gone, guarded.Is(err, ErrChanged): // if nothing was read, nothing is mixed
		return at > 0
	}
	return false
}

// brokenAt returns the error of an object whose reading ended with err after the content before at.
func (r *records[T]) brokenAt(ctx context.Context, object Object, at int64, err error) error {
	if ctx.Err() != nil || !breaksOff(err, at) {
		return err
	}
	hash, _ := r.contentBefore(ctx, object, at)
	return &dmap.BrokenObjectError{Key: object.Key, Offset: at, Hash: hash, Err: err}
}

// contentBefore identifies the content of an object before an offset, for dmap.Split.Before. It is
// empty if there is none, or with an error if it cannot be read again. The content is hashed only
// when an object has broken off, so that all others cost nothing.
func (r *records[T]) contentBefore(ctx context.Context, object Object, at int64) (string, error) {
	if at == 0 {
		return "", nil
	}
	in, _, err := span{object: object}.openText(budget.Within(ctx), r.unpacking) // the reading that broke off holds its part
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum := sha256.New()
	switch _, err := io.CopyN(sum, in, at); {
	case err == io.EOF:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// sameBefore returns a ChangedError if the content of object before rest is not the content that
// was read, or another error if the store does not deliver that content now.
func (r *records[T]) sameBefore(ctx context.Context, object Object, rest dmap.Split) error {
	now, err := r.contentBefore(ctx, object, rest.From.Offset)
	switch {
	case err == nil && now == rest.Before:
		return nil
	case err != nil && !breaksOff(err, 0):
		return err
	case err != nil:
		now = "shorter, or unreadable"
	}
	return changed(object.Key, "content before the break", rest.Before, now)
}

// rest is a Plan.Rest.
func (r *records[T]) rest(ctx context.Context, s dmap.Split) (string, error) {
	if err := r.owns(s); err != nil {
		return "", err
	}
	before := s.Before
	s.Before = ""
	object, err := r.version(ctx, s)
	if err != nil {
		return "", err
	}
	s.Before = before
	return version(object), r.sameBefore(ctx, object, s)
}

// changed is the error for an object of which a run has read another version in part.
func changed(key, what, was, now string) error {
	return &changedSince{ChangedError{Key: key, What: what, Was: was, Now: now}}
}

// changedSince is a ChangedError that says what to do.
type changedSince struct{ ChangedError }

func (e *changedSince) Error() string {
	return e.ChangedError.Error() + ": restore it, or read it from its start in a run with a new RunID"
}

// Unwrap returns the ChangedError.
func (e *changedSince) Unwrap() error { return &e.ChangedError }
