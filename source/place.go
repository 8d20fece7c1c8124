package source

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// A position in a split of many objects is a cursor. Its Key is the place of an object in their
// listing, its Offset the position inside the object, or afterObject.
const afterObject = journal.Between

// What the place of an object starts with if it is not the object's key.
const (
	offsetPlace  = "\x00"     // 16 hexadecimal digits: the listing has offsets as cursors
	escapedPlace = "\x00\x00" // a key that starts with a zero byte
	offsetInKey  = "\x00\x01" // inside: what precedes it is the key, what follows the offset
)

// placeOf returns a text for the cursor of a listing. Texts have the order of their cursors.
func placeOf(c dmap.Cursor) string {
	switch {
	case c.Key == "":
		return fmt.Sprintf("%s%016x", offsetPlace, c.Offset)
	case c.Offset != 0:
		return fmt.Sprintf("%s%s%016x", strings.ReplaceAll(c.Key, "\x00", "\x00\xff"), offsetInKey, c.Offset)
	case strings.HasPrefix(c.Key, offsetPlace):
		return escapedPlace + c.Key
	}
	return c.Key
}

// listingCursor is the inverse of placeOf. ok is false if that is not certain.
func listingCursor(place string) (c dmap.Cursor, ok bool) {
	if strings.Contains(place, offsetInKey) {
		return c, false
	}
	if key, ok := strings.CutPrefix(place, escapedPlace); ok {
		return dmap.Cursor{Key: key}, true
	}
	if digits, ok := strings.CutPrefix(place, offsetPlace); ok {
		n, err := strconv.ParseInt(digits, 16, 64)
		return dmap.Cursor{Offset: n}, err == nil
	}
	return dmap.Cursor{Key: place}, true
}

// identified puts the place of an object and its key before a Version, so that no other object has
// the same one, and a position and the Version are enough to read the object again.
func identified(place, key, version string) string {
	if key != place {
		version = fmt.Sprintf("%s%d:%s%s", keyVersion, len(key), key, version)
	}
	return fmt.Sprintf("%s%d:%s%s", placeVersion, len(place), place, version)
}

// identify is the inverse of identified. Of a Version without a place it returns the object of s as
// the place.
func identify(s dmap.Split) (place, key, version string) {
	place, version, ok := cutCounted(placeVersion, s.Version)
	if !ok {
		return s.Object, s.Object, s.Version
	}
	key = place
	if k, rest, ok := cutCounted(keyVersion, version); ok {
		key, version = k, rest
	}
	return place, key, version
}

// cutCounted cuts the name, a length and a text of that length off.
func cutCounted(name, version string) (text, rest string, ok bool) {
	text, ok = strings.CutPrefix(version, name)
	if !ok {
		return "", version, false
	}
	length, rest, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > len(rest) {
		return "", version, false
	}
	return rest[:n], rest[n:], true
}
