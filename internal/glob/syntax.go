package glob

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// maxAlternatives is the number of patterns that the braces of one may stand for.
const maxAlternatives = 1000

func invalid(pattern string, err error) error { return fmt.Errorf("glob %.200q: %w", pattern, err) }

// Patterns that path.Match takes for something else than a shell does, or refuses without a reason.
var (
	errBraces   = errors.New(`{ without a comma and }: write {json,csv}, or \{ for the character`)
	errRange    = errors.New(`a range in braces: list its values, as in {1,2,3}`)
	errMany     = fmt.Errorf("its braces stand for more than %d patterns", maxAlternatives)
	errClass    = errors.New(`a class such as [[:digit:]]: write [0-9]`)
	errExtended = errors.New(`an extended pattern such as @(a|b): write {a,b}, or \( for the character`)
	errNot      = errors.New(`! at its start does not negate it: use Match, or write \! for the character`)
	errStars    = errors.New(`** must stand alone between slashes`)
	errSyntax   = errors.New(`syntax error: [ without ], an empty class or range, or \ at the end of a segment; write \[ and \\ for the characters`)
)

// expand returns the patterns that a pattern with braces stands for: "a.{json,csv}" for "a.json"
// and "a.csv".
func expand(pattern string) ([]string, error) {
	open, end, commas, err := braces(pattern)
	if err != nil || open < 0 {
		return []string{pattern}, err
	}
	rest, err := expand(pattern[end+1:])
	if err != nil {
		return nil, err
	}
	var all []string
	from := open + 1
	for _, comma := range append(commas, end) {
		options, err := expand(pattern[from:comma])
		if err != nil {
			return nil, err
		}
		for _, option := range options {
			for _, tail := range rest {
				if len(all) == maxAlternatives {
					return nil, errMany
				}
				all = append(all, pattern[:open]+option+tail)
			}
		}
		from = comma + 1
	}
	return all, nil
}

// braces returns the positions of the first braces of pattern, and of the commas directly between
// them. open is -1 if there are none.
func braces(pattern string) (open, end int, commas []int, err error) {
	open, depth := -1, 0
	inClass := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case inClass:
			inClass = c != ']'
		case c == '[':
			inClass = true
		case c == '{':
			if depth++; depth == 1 {
				open = i
			}
		case c == ',' && depth == 1:
			commas = append(commas, i)
		case c == '}' && depth == 1 && len(commas) == 0 && strings.Contains(pattern[open:i], ".."):
			return 0, 0, nil, errRange
		case c == '}' && depth == 1 && len(commas) > 0:
			return open, i, commas, nil
		case c == '}':
			if depth--; depth <= 0 {
				return 0, 0, nil, errBraces
			}
		}
	}
	if depth > 0 {
		err = errBraces
	}
	return -1, 0, nil, err
}

// normalize returns a segment in the syntax of path.Match, which writes [^a] for [!a].
func normalize(segment string) (string, error) {
	if segment == "**" {
		return segment, nil
	}
	out := []byte(segment)
	for i := 0; i < len(segment); i++ {
		rest := segment[i+1:]
		switch c := segment[i]; {
		case c == '\\':
			i++
		case c == '!' && i == 0 && !strings.HasPrefix(rest, "("):
			return "", errNot
		case strings.IndexByte("@!?*+", c) >= 0 && strings.HasPrefix(rest, "("):
			return "", errExtended
		case c == '*' && strings.HasPrefix(rest, "*"):
			return "", errStars
		case c == '[':
			n, err := class(rest)
			if err != nil {
				return "", err
			}
			if strings.HasPrefix(rest, "!") {
				out[i+1] = '^'
			}
			i += n
		}
	}
	if _, err := path.Match(string(out), ""); err != nil {
		return "", errSyntax
	}
	return string(out), nil
}

// class returns the length of a class, of which rest follows the opening bracket.
func class(rest string) (int, error) {
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '\\':
			i++
		case rest[i] == '[' && i+1 < len(rest) && strings.IndexByte(":.=", rest[i+1]) >= 0:
			return 0, errClass
		case rest[i] == ']':
			return i + 1, nil
		}
	}
	return 0, errSyntax
}
