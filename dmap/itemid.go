package dmap

import "strconv"

// WholeObject is the Offset of an item that is an object, not a record inside one.
const WholeObject = -1

func itemID(key string, offset int64) string {
	if offset == WholeObject {
		return key
	}
	return key + "@" + strconv.FormatInt(offset, 10)
}
