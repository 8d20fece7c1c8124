package source

import (
	"context"

	"github.com/go-dmap/dmap/dmap"
)

// listsOf returns the keyLister of the listings of sources. It returns nil if a source is something
// else than Objects, or a Filter or Concat of it: then its objects may have any key.
func listsOf[T any](sources ...dmap.Source[T]) keyLister {
	var all []keyLister
	for _, src := range sources {
		var lists keyLister
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
