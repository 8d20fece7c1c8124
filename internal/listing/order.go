package listing

import (
	"fmt"

	"gocloud.dev/blob"
)

// ownObjects returns the objects of a page with keys in (after, to], and whether the page reaches
// beyond to. A key that is not in byte order is an error: a range that it does not belong to by its
// bytes would lose it silently.
func ownObjects(objects []*blob.ListObject, after, to string) (own []*blob.ListObject, beyond bool, err error) {
	return ownStored(objects, after, to, false)
}

// ownStored is ownObjects for keys that are those of the store, if exact is set.
func ownStored(objects []*blob.ListObject, after, to string, exact bool) (own []*blob.ListObject, beyond bool, err error) {
	if len(objects) > 0 && objects[0].Key == after { // some stores start at the key itself
		objects = objects[1:]
	}
	previous := after
	for i, object := range objects {
		beyond := to != "" && object.Key > to
		if object.Key <= previous && previous != "" || beyond && !exact && mayBeMoved(object.Key) {
			return nil, false, orderError(object.Key, previous)
		}
		if beyond {
			return objects[:i], true, nil
		}
		previous = object.Key
	}
	return objects, false, nil
}

func orderError(key, previous string) error {
	if key == previous {
		return fmt.Errorf("the store lists key %q twice", key)
	}
	return fmt.Errorf("key %q listed after %q: store is not in byte order; list it from the start with Listers: 1", key, previous)
}
