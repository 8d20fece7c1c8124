// Package startkey says where a listing may start in a store whose driver writes some keys differently.
package startkey

import (
	"strings"
	"unicode/utf8"
)

// Within returns where to start so that no key behind key is left out: the longest beginning of key, behind the prefix of
// the bucket, that the driver writes as it is. The prefix of the bucket is what stands before prefix in requested, the
// prefix as the request has it. escapes says which characters, all smaller than an underscore, the driver writes as
// "__0x…__": so a start before the first of them is never too late. It is false if requested does not end in prefix, because
// the driver has changed that already.
func Within(requested, prefix, key string, escapes func(c byte) bool) (start string, ok bool) {
	bucket, ok := strings.CutSuffix(requested, prefix)
	return bucket + plain(key, escapes), ok
}

// plain is the longest beginning of key without anything that a driver of gocloud escapes: what escapes says, the slash
// of "../", what looks like an escape, and what is not UTF-8.
func plain(key string, escapes func(c byte) bool) string {
	for i, c := range key {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(key[i:], "\uFFFD"),
			c < utf8.RuneSelf && escapes(byte(c)),
			c == '/' && strings.HasSuffix(key[:i], ".."),
			strings.HasPrefix(key[i:], "__0x"):
			return key[:i]
		}
	}
	return key
}
