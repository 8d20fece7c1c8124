package listing

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/transient"
)

// A store sorts keys as it has them. The drivers of gocloud store some characters escaped, as
// "__0x2f__", and name an object in a listing by its key without escapes. So keys may come in
// another order than that of their bytes, and two objects may have the same key.

// Options of a listing.
type Options struct {
	// Stored returns the key that the store has for an object, with the prefix of the bucket. Then
	// the objects of the listing have these keys, without that prefix, and Unescape returns the
	// others. nil: not known.
	Stored func(*blob.ListObject) string
	// Before is called before each request that starts at the first key, or at a token. nil:
	// nothing is.
	Before func(as func(any) bool)
	// Stall limits the time that a request may take. 0: transient.Stall; negative: no limit.
	Stall time.Duration
}

// first returns the options that a caller has given, if any.
func first(options []Options) Options {
	if len(options) == 0 {
		return Options{}
	}
	return options[0]
}

// stall resolves the option.
func (o Options) stall() time.Duration {
	switch {
	case o.Stall == 0:
		return transient.Stall
	case o.Stall < 0:
		return 0
	}
	return o.Stall
}

// name gives the objects of a page the keys that the store has for them. It asks only for those
// that a driver may have changed.
func (o Options) name(objects []*blob.ListObject) {
	if o.Stored == nil {
		return
	}
	previous, renamed := "", false
	for _, object := range objects {
		if object.Key <= previous || mayBeEscaped(object.Key) {
			if stored, ok := withoutBucketPrefix(o.Stored(object), object.Key); ok {
				renamed = renamed || stored != object.Key
				object.Key = stored
			}
		}
		previous = object.Key
	}
	if renamed { // gcsblob sorts each page by keys without escapes
		slices.SortStableFunc(objects, func(a, b *blob.ListObject) int { return strings.Compare(a.Key, b.Key) })
	}
}

// withoutBucketPrefix cuts the prefix of a prefixed bucket, which key does not have, off stored.
func withoutBucketPrefix(stored, key string) (string, bool) {
	n := len(Unescape(stored)) - len(key)
	if n < 0 || n > len(stored) || Unescape(stored[n:]) != key {
		return "", false
	}
	return stored[n:], true
}

// mayBeMoved reports whether a store that can start a listing after a key may keep key elsewhere
// than in the order of its bytes: a driver escapes some of its characters, or it looks as if one
// had.
func mayBeMoved(key string) bool {
	for i := range len(key) {
		if key[i] < ' ' {
			return true
		}
	}
	return strings.Contains(key, "../") || strings.Contains(key, "__0x")
}

// mayBeEscaped is mayBeMoved for all stores.
func mayBeEscaped(key string) bool {
	for i := range len(key) {
		if escapable(key[i]) {
			return true
		}
	}
	return strings.Contains(key, "../") || strings.HasSuffix(key, "/") || strings.Contains(key, "__0x")
}

// escapable reports the characters that a driver escapes wherever they are.
func escapable(c byte) bool {
	return c < ' ' || c == 0x7f || c == '\\' || c == '"' || c == '#' || c == '%' || c == '?'
}

// Unescape returns the key by which gocloud names the object that is stored under a key.
func Unescape(stored string) string {
	if !strings.Contains(stored, "__0x") {
		return stored
	}
	var key strings.Builder
	for at := 0; at < len(stored); {
		if r, n := escape(stored[at:]); n > 0 {
			key.WriteRune(r)
			at += n
			continue
		}
		key.WriteByte(stored[at])
		at++
	}
	return key.String()
}

// escape returns the character that s starts with in its escaped form, and the length of that form;
// 0 if s starts with another text.
func escape(s string) (r rune, n int) {
	digits, ok := strings.CutPrefix(s, "__0x")
	if !ok {
		return 0, 0
	}
	digits, _, ok = strings.Cut(digits, "__")
	if !ok || strings.Contains(digits, "_") {
		return 0, 0
	}
	value, err := strconv.ParseInt(digits, 16, 32)
	if err != nil {
		return 0, 0
	}
	return rune(value), len("__0x") + len(digits) + len("__")
}

// Readable reports whether gocloud can read the object that is stored under a key. It asks for
// other keys than those that other programs have stored with an escape of theirs.
func Readable(stored string) bool {
	for at := strings.Index(stored, "__0x"); at >= 0 && at < len(stored); at++ {
		r, n := escape(stored[at:])
		if n == 0 {
			continue
		}
		slash := r == '/' && (strings.HasSuffix(stored[:at], "..") || at+n == len(stored))
		special := r == '_' || r >= 0 && r < 0x80 && escapable(byte(r))
		if !slash && !special || stored[at:at+n] != "__0x"+strconv.FormatInt(int64(r), 16)+"__" {
			return false
		}
		at += n - 1
	}
	return true
}
