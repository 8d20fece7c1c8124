package dmapotel

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-dmap/dmap/dmap"
)

const (
	otherType    = "_OTHER" // as OpenTelemetry calls what a bounded set does not hold
	maxOwnTypes  = 16
	maxErrorType = 64 // bytes
)

// errorTypes bounds the values of AttrErrorType on the metrics of the process.
//
//nolint:gochecknoglobals // series live as long as the process
var errorTypes = boundedTypes{own: make(map[string]struct{}, maxOwnTypes)}

// boundedTypes holds the classes that are not those of dmap, in the order in which they come.
type boundedTypes struct {
	mu  sync.RWMutex // guards own
	own map[string]struct{}
}

// of is the type of err.
func (b *boundedTypes) of(err error) string { return b.ofClass(errorType(err)) }

// ofClass is the type of errors of a class.
func (b *boundedTypes) ofClass(class string) string {
	class = cleanName(class, maxErrorType)
	if class == otherType || isClassOfDmap(class) || b.has(class) {
		return class
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.own[class]; !known && len(b.own) >= maxOwnTypes {
		return otherType
	}
	b.own[class] = struct{}{}
	return class
}

func (b *boundedTypes) has(class string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, known := b.own[class]
	return known
}

// isClassOfDmap reports whether dmap itself gives errors this class.
func isClassOfDmap(class string) bool {
	switch class {
	case "error", "timeout", "panic", "goexit", "stuck", "read", "throttled", "poison", "held", "rejected", "gone", "changed", "broken":
		return true
	}
	return false
}

// errorType is the class of err in a form that is fit for an attribute.
func errorType(err error) string { return cleanName(dmap.Class(err), maxErrorType) }

// cleanName is s in valid UTF-8, without control characters, in at most most bytes. Exporters
// refuse to send text that is no UTF-8, with all that was to go with it.
func cleanName(s string, most int) string {
	s = clipped(s, most)
	if !slices.ContainsFunc([]rune(s), unicode.IsControl) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// clipped is at most most bytes of s, as valid UTF-8 that ends with a whole character.
func clipped(s string, most int) string {
	if len(s) > most {
		s = s[:most]
		for end := len(s) - 1; end >= 0 && end >= len(s)-utf8.UTFMax; end-- {
			if utf8.RuneStart(s[end]) {
				if !utf8.FullRuneInString(s[end:]) {
					s = s[:end]
				}
				break
			}
		}
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}
