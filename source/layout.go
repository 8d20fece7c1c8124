package source

import (
	"context"
	"io"
	"strconv"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/body"
	guarded "github.com/go-dmap/dmap/internal/guard"
)

// linesFrom is where to begin to read the lines of an object after one began at a cursor in another
// version of it: there, as those of a split are read, if a line begins there now, or at the start
// of the object, if its store does not tell.
func linesFrom(ctx context.Context, object Object, at dmap.Cursor) (dmap.Cursor, error) {
	if object.Size >= 0 && at.Offset >= object.Size {
		return dmap.Cursor{}, noRecordAt(object.Key, at.Offset)
	}
	stored, err := object.stored()
	if err != nil {
		return dmap.Cursor{}, err
	}
	in, err := body.OpenRange(ctx, stored, at.Offset-1, at.Offset)
	before := make([]byte, 1)
	if err == nil {
		_, err = io.ReadFull(in, before)
		in.Close()
	}
	switch {
	case guarded.Is(err, body.ErrRange):
		return dmap.Cursor{}, nil
	case err != nil:
		return dmap.Cursor{}, err
	case before[0] != '\n':
		return dmap.Cursor{}, noRecordAt(object.Key, at.Offset)
	}
	return at, nil
}

// noRecordAt is the error for an object in which no record begins at an offset at which one did.
func noRecordAt(key string, offset int64) error {
	return &ChangedError{Key: key, What: "byte " + strconv.FormatInt(offset, 10), Was: "the start of a record", Now: "none"}
}
