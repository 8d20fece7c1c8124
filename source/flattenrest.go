package source

import (
	"context"
	"errors"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
)

// rest is a Plan.Rest. A Version that it returns is for reading alone: a listing may describe the
// same object in another way. An object that cannot be read now does not keep the others from being
// read.
func (f *flatten[T]) rest(ctx context.Context, s dmap.Split) (string, error) {
	object, itemErr, err := f.broken(ctx, &s)
	if err != nil {
		return "", invalidNamed(f.name, err)
	}
	if itemErr == nil {
		itemErr = f.sameBefore(ctx, object, s)
	}
	switch {
	case itemErr == nil:
		return s.Version, nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case guarded.Is(itemErr, dmap.ErrSkip):
		return "", changed(object.Key, "object", "listed", "left out")
	case dmap.Class(itemErr) == "changed":
		return "", itemErr
	}
	return "", &dmap.BrokenObjectError{Key: object.Key, Offset: s.From.Offset, Hash: s.Before, Err: itemErr}
}

// sameBefore compares the content of an object before s, by the source of the object.
func (f *flatten[T]) sameBefore(ctx context.Context, object Object, s dmap.Split) error {
	return guard(func() error {
		var plan dmap.Plan[T]
		if src := f.open(object); src != nil {
			plan = dmap.PlanOf(src)
		}
		if plan.Rest == nil || plan.Whole == (dmap.Split{}) {
			return changed(object.Key, "content before the break", s.Before, "unknown")
		}
		whole := plan.Whole
		whole.From, whole.Before = dmap.Cursor{Offset: s.From.Offset}, s.Before
		_, err := plan.Rest(ctx, whole)
		return err
	})
}

// broken returns the object of s, which broke off, at the Version of s. If s has none it is the
// object as it is now, and s gets its Version. itemErr says why there is no object, err is one of
// the source.
func (f *flatten[T]) broken(ctx context.Context, s *dmap.Split) (o Object, itemErr, err error) {
	if s.Version != "" {
		return f.object(ctx, *s)
	}
	o.Key = s.Object
	if o.from, err = f.buckets.of(ctx, *s); err != nil {
		return o, nil, err
	}
	if o, itemErr = o.now(ctx); itemErr == nil {
		s.Version = identified(s.From.Key, o.Key, listedAs(o))
	}
	return o, itemErr, nil
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
