package source

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/body"
	guarded "github.com/go-dmap/dmap/internal/guard"
)

// layout is a Plan.Layout.
func (r *records[T]) layout(ctx context.Context, s dmap.Split) (l dmap.Layout, err error) {
	if err := r.owns(s); err != nil {
		return l, err
	}
	object, err := r.pin(ctx)
	if err != nil {
		return l, err
	}
	l.Version = version(object)
	if r.header != nil {
		if l.Header, err = r.header(ctx, object); err != nil {
			return l, err
		}
	}
	l.From, err = r.readFrom(ctx, object, s.From)
	return l, err
}

// readFrom is where to begin to read the records of an object after a record began at a cursor in
// another version of it. Lines are read from there, as those of a split are, if a line begins there
// now. Of any other format only a reading from the start knows where its records begin.
func (r *records[T]) readFrom(ctx context.Context, object Object, at dmap.Cursor) (dmap.Cursor, error) {
	if at.Offset == 0 || !r.lines || r.looksInto(object.Key) {
		return dmap.Cursor{}, nil
	}
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
	case errors.Is(err, body.ErrRange):
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

// layout asks the part that s belongs to.
func (c *concat[T]) layout(ctx context.Context, s dmap.Split) (dmap.Layout, error) {
	i, own, err := c.part(s)
	if err != nil {
		return dmap.Layout{}, err
	}
	if c.parts[i].Layout == nil {
		return dmap.Layout{}, errors.ErrUnsupported
	}
	return c.parts[i].Layout(ctx, own)
}

// layout asks the source of the object as it is now. An object that cannot be read now does not
// keep the others from being read.
func (f *flatten[T]) layout(ctx context.Context, s dmap.Split) (l dmap.Layout, err error) {
	object, itemErr, err := f.object(ctx, s)
	if err != nil {
		return l, invalidNamed(f.name, err)
	}
	if itemErr != nil { // no row of it was read
		return l, errors.ErrUnsupported
	}
	place, _, _ := identify(s)
	if object, err = object.now(ctx); err == nil {
		l, err = f.layoutOf(ctx, object, place, s.From)
	}
	switch {
	case err == nil || guarded.Is(err, errors.ErrUnsupported):
		return l, err
	case ctx.Err() != nil:
		return l, context.Cause(ctx)
	}
	if class := dmap.Class(err); class == "gone" || class == "changed" {
		return l, err
	}
	return l, &dmap.BrokenObjectError{Key: object.Key, Err: err}
}

// layoutOf is the layout of an object, where a reading began at a cursor of the whole source.
func (f *flatten[T]) layoutOf(ctx context.Context, object Object, place string, from dmap.Cursor) (l dmap.Layout, err error) {
	err = guard(func() (err error) {
		var plan dmap.Plan[T]
		if src := f.open(object); src != nil {
			plan = dmap.PlanOf(src)
		}
		if plan.Layout == nil || plan.Whole == (dmap.Split{}) {
			return errors.ErrUnsupported
		}
		whole := plan.Whole
		if from.Key == place {
			whole.From.Offset = from.Offset
		}
		l, err = plan.Layout(ctx, whole)
		return err
	})
	if l.From != (dmap.Cursor{}) {
		l.From.Key = place
	}
	l.Version = identified(place, object.Key, listedAs(object))
	return l, err
}
