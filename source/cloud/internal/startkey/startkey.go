// Package startkey computes where a listing can start in a store whose driver escapes some keys.
package startkey

import (
	"strings"
	"unicode/utf8"
)

// Within returns a start for a listing that must include every key after key: the longest prefix
// of key that the driver does not escape, preceded by the prefix of the bucket.
//
// requested is the prefix as the request has it: the prefix of the bucket, followed by prefix. ok
// is false if requested does not end in prefix, because the driver has escaped that. escapes
// reports the characters that the driver writes as "__0x…__". All of them must be smaller than an
// underscore, so that a start before the first of them is never too late.
func Within(requested, prefix, key string, escapes func(c byte) bool) (start string, ok bool) {
	bucket, ok := strings.CutSuffix(requested, prefix)
	return bucket + plain(key, escapes), ok
}

// plain returns the longest prefix of key without anything that a gocloud driver escapes: a
// character that escapes reports, the slash of "../", text that looks like an escape, and bytes
// that are not UTF-8.
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
