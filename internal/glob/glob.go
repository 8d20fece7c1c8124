// Package glob matches keys with patterns, as a shell does.
package glob

import (
	"path"
	"strings"
)

// Glob is a pattern: one of several alternatives has to match.
type Glob []segments

// segments is a pattern without braces by segments between slashes: each as in path.Match, "**" for
// any number of them.
type segments []string

// Compile returns an error for a pattern that is malformed, or that a shell would read otherwise
// than Match does.
func Compile(pattern string) (Glob, error) {
	alternatives, err := expand(pattern)
	if err != nil {
		return nil, invalid(pattern, err)
	}
	g := make(Glob, 0, len(alternatives))
	for _, alternative := range alternatives {
		s := segments(strings.Split(alternative, "/"))
		for i, segment := range s {
			if s[i], err = normalize(segment); err != nil {
				return nil, invalid(pattern, err)
			}
		}
		g = append(g, s)
	}
	return g, nil
}

// Match reports whether the pattern matches all of name.
func (g Glob) Match(name string) bool {
	parts := strings.Split(name, "/")
	for _, s := range g {
		if s.match(parts) {
			return true
		}
	}
	return false
}

// match matches the segments of a name. When a segment does not fit, the last "**" takes one more,
// which is enough: an earlier one taking more could only leave less for the rest.
func (g segments) match(name []string) bool {
	p, retry, taken := 0, -1, 0
	for s := 0; s < len(name); {
		switch {
		case p < len(g) && g[p] == "**":
			retry, taken = p, s
			p++
		case p < len(g) && segmentMatches(g[p], name[s]):
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
