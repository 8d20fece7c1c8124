package source

import (
	"slices"
	"strings"

	"github.com/go-dmap/dmap/dmap"
)

// listsOf returns a function that reports whether the listings of sources may have an object with
// this key. It returns nil if a source is something else than Objects, or a Filter or Concat of it:
// then its objects may have any key.
func listsOf[T any](sources ...dmap.Source[T]) func(key string) bool {
	var all []func(key string) bool
	for _, src := range sources {
		var lists func(key string) bool
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
	return func(key string) bool {
		return slices.ContainsFunc(all, func(lists func(string) bool) bool { return lists(key) })
	}
}

// lists reports whether an object with this key may be one of the listing. Match is not asked.
func (o *objects) lists(key string) bool { return strings.HasPrefix(key, o.prefix) && o.matches(key) }

// matches reports whether a key, which has the prefix, matches the Glob.
func (o *objects) matches(key string) bool {
	return o.glob == nil || o.glob.Match(strings.TrimPrefix(key[len(o.prefix):], "/"))
}
