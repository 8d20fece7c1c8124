package failgroup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// MaxMessage is how many bytes a normalised message has at most. maxText is how many bytes of an
// error text count.
const (
	MaxMessage = 512
	maxText    = 4 << 10
)

// Message is the text of an error without the parts that differ from item to item: the key and the
// ID of the item, numbers, hexadecimal and other ids, UUIDs, times, durations, quoted values and
// addresses have a word in angle brackets in their place, such as <n>. Numbers of errors, as in
// "status 503" and "404 Not Found", remain. It is UTF-8 without control characters, of at most 512
// bytes.
func Message(text, key, id string) string {
	return string(appendMessage(nil, text, key, id))
}

// ID is the ID of the group of a class and a Message: 12 hexadecimal digits of SHA-256.
func ID(class, message string) string { return idOf(joinKey(class, message)) }

// IDOf is the ID of the group of f.
func IDOf(f Failure) string {
	var scratch [MaxMessage + maxClass + 1]byte
	return idOf(string(appendKey(scratch[:0], &f)))
}

func idOf(key string) string {
	id, _ := hashOf(key)
	return id
}

// hashOf is the ID of the group with this key, and a number that orders groups as well as the key
// does.
func hashOf(key string) (id string, order uint64) {
	sum := sha256.Sum256([]byte(key))
	var text [12]byte
	hex.Encode(text[:], sum[:6])
	return string(text[:]), binary.BigEndian.Uint64(sum[:])
}

// The key of a group is its class and its message. A class has no zero byte.
func joinKey(class, message string) string {
	return strings.ReplaceAll(clip(class, maxClass), "\x00", "") + "\x00" + message
}

func splitKey(key string) (class, message string) {
	class, message, _ = strings.Cut(key, "\x00")
	return class, message
}

// appendKey appends the key of the group of f.
func appendKey(dst []byte, f *Failure) []byte {
	class := clip(f.Class, maxClass)
	if strings.Contains(class, "\x00") {
		class = strings.ReplaceAll(class, "\x00", "")
	}
	dst = append(append(dst, class...), 0)
	return appendMessage(dst, f.Text, f.Key, f.ID)
}

// appendMessage appends the Message of an error.
func appendMessage(dst []byte, text, key, id string) []byte {
	text = clip(text, maxText)
	if len(key) <= len(text) {
		text = replaceNames(text, key, id)
	}
	n := normaliser{text: text, out: dst, limit: len(dst) + MaxMessage}
	n.run()
	return n.finish(len(dst))
}

// replaceNames replaces the names of the item. The key of its object, and the last part of that,
// are names if they do not look like words: the key of a slice is "item".
func replaceNames(text, key, id string) string {
	text = replaceName(text, id, "<id>")
	if key != id && strings.ContainsAny(key, "/.0123456789") {
		text = replaceName(text, key, "<key>")
	}
	if base := key[strings.LastIndexByte(key, '/')+1:]; strings.ContainsAny(base, ".0123456789") {
		text = replaceName(text, base, "<key>")
	}
	return text
}

// replaceName replaces a name in text where it stands apart from other words. Shorter names than 3
// bytes are too likely to be part of the message.
func replaceName(text, name, by string) string {
	if len(name) < 3 || !strings.Contains(text, name) {
		return text
	}
	var out strings.Builder
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			out.WriteString(text[at:])
			return out.String()
		}
		i += at
		end := i + len(name)
		out.WriteString(text[at:i])
		if i > 0 && isWord(text[i-1]) && isWord(name[0]) || end < len(text) && isWord(text[end]) && isWord(name[len(name)-1]) {
			out.WriteString(name)
		} else {
			out.WriteString(by)
		}
		at = end
	}
}
