package source

import (
	"context"
	"strings"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// lister reports whether a listing comes to an object with this key, if there is one. Match is not
// asked.
type lister func(ctx context.Context, key string) (bool, error)

// listsOf returns the lister of the listings of sources. It returns nil if a source is something
// else than Objects, or a Filter or Concat of it: then its objects may have any key.
func listsOf[T any](sources ...dmap.Source[T]) lister {
	var all []lister
	for _, src := range sources {
		var lists lister
		switch src := any(src).(type) {
		case *objects:
			lists = src.lists
		case *planned[Object]:
			lists = src.lists
		}
		if lists == nil {
			return nil
		}
		all = append(all, lists)
	}
	return func(ctx context.Context, key string) (bool, error) {
		for _, lists := range all {
			if listed, err := lists(ctx, key); listed || err != nil {
				return listed, err
			}
		}
		return false, nil
	}
}

// lists is the lister of o.
func (o *objects) lists(ctx context.Context, key string) (bool, error) {
	if !strings.HasPrefix(key, o.prefix) || !o.matches(key) || runfolder.IsProbe(key) {
		return false, nil
	}
	own, err := newOwnResults(ctx, o.bucket, o.prefix)
	if err != nil {
		return false, o.located(err)
	}
	result, err := own.holds(ctx, key)
	if err != nil {
		return false, o.located(err)
	}
	return !result, nil
}

// matches reports whether a key, which has the prefix, matches the Glob.
func (o *objects) matches(key string) bool {
	return o.glob == nil || o.glob.Match(strings.TrimPrefix(key[len(o.prefix):], "/"))
}
