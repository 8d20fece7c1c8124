// Package glob matches keys with patterns by segments between slashes.
package glob

import (
	"fmt"
	"path"
	"strings"
)

// Glob is a pattern by segments between slashes: each as in path.Match, "**" for any number of
// them.
type Glob []string

// Compile returns an error for a malformed pattern.
func Compile(pattern string) (Glob, error) {
	g := Glob(strings.Split(pattern, "/"))
	for _, segment := range g {
		if _, err := path.Match(segment, ""); err != nil {
			return nil, fmt.Errorf("glob %q: %w", pattern, err)
		}
		if segment != "**" && strings.Contains(segment, "**") {
			return nil, fmt.Errorf("glob %q: ** must stand alone between slashes", pattern)
		}
	}
	return g, nil
}

// Match reports whether the pattern matches all of name. When a segment does not fit, the last "**"
// takes one more, which is enough: an earlier one taking more could only leave less for the rest.
func (g Glob) Match(name string) bool {
	segments := strings.Split(name, "/")
	p, retry, taken := 0, -1, 0
	for s := 0; s < len(segments); {
		switch {
		case p < len(g) && g[p] == "**":
			retry, taken = p, s
			p++
		case p < len(g) && segmentMatches(g[p], segments[s]):
			p++
			s++
		case retry >= 0:
			taken++
			p, s = retry+1, taken
		default:
			return false
		}
	}
	for p < len(g) && g[p] == "**" {
		p++
	}
	return p == len(g)
}

func segmentMatches(pattern, segment string) bool {
	ok, err := path.Match(pattern, segment)
	return ok && err == nil
}
