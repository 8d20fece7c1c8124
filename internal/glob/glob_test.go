package glob

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatternsMatchAsInAShell(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"*.json", []string{"a.json", ".json", "[x].json"}, []string{"a/b.json", "a.jsonl", "a.csv"}},
		{"a?c", []string{"abc", "a€c"}, []string{"ac", "a/c", "abbc"}},
		{"[!_]*", []string{"a", "ab", "!x"}, []string{"_a", "", "a/b"}},
		{"[^_]*", []string{"a"}, []string{"_a"}},
		{"[!a-c]", []string{"d", "!"}, []string{"a", "b", "c"}},
		{"[a!]", []string{"a", "!"}, []string{"^", "b"}},
		{`[\!a]`, []string{"a", "!"}, []string{"b"}},
		{`[\]]`, []string{"]"}, []string{"a"}},
		{"part-[0-9][0-9].csv", []string{"part-07.csv"}, []string{"part-7.csv"}},
		{"*.{json,csv}", []string{"a.json", "a.csv"}, []string{"a.txt", "a.{json,csv}", "d/a.csv"}},
		{"{a,b}/{c,d}", []string{"a/c", "a/d", "b/c", "b/d"}, []string{"a", "a/b"}},
		{"{a/b,c}/x", []string{"a/b/x", "c/x"}, []string{"a/x"}},
		{"x{,.gz}", []string{"x", "x.gz"}, []string{"x.", "x,.gz"}},
		{"{a,b{c,d{e,f}}}", []string{"a", "bc", "bde", "bdf"}, []string{"b", "bd"}},
		{"{**,x}/a", []string{"a", "p/q/a", "x/a"}, []string{"b"}},
		{`\{a,b\}`, []string{"{a,b}"}, []string{"a", "b"}},
		{`{a\,b,c}`, []string{"a,b", "c"}, []string{"a", "b"}},
		{"[{,}]", []string{"{", ",", "}"}, []string{"a"}},
		{"a,b", []string{"a,b"}, []string{"a"}},
		{"**", []string{"a", "a/b", ""}, nil},
		{"**/*.json", []string{"a.json", "x/y/a.json"}, []string{"a.csv"}},
		{"a/**/b", []string{"a/b", "a/x/y/b"}, []string{"a/x", "b"}},
		{"**/a/**/b/**", []string{"a/b", "x/a/a/y/b/z"}, []string{"b/a"}},
		{`\*\?\[\]\\`, []string{`*?[]\`}, []string{"x"}},
		{"a (1).txt", []string{"a (1).txt"}, []string{"a 1.txt"}},
		{`*\(1).txt`, []string{"a(1).txt"}, nil},
		{`\!a`, []string{"!a"}, []string{"a"}},
		{"a!", []string{"a!"}, []string{"a"}},
		{"~", []string{"~"}, nil},
		{"20\xb0*", []string{"20\xb0.txt"}, []string{"20.txt"}},
	} {
		g, err := Compile(test.pattern)
		require.NoError(t, err, test.pattern)
		for _, name := range test.yes {
			require.True(t, g.Match(name), "%q %q", test.pattern, name)
		}
		for _, name := range test.no {
			require.False(t, g.Match(name), "%q %q", test.pattern, name)
		}
	}
}

func TestPatternsThatAShellWouldReadOtherwiseAreRefused(t *testing.T) {
	for pattern, want := range map[string]error{
		"{json}": errBraces, "{}": errBraces, "a{": errBraces, "a}": errBraces, "{a,b": errBraces, "{a,{b}": errBraces, "a,b}": errBraces,
		"{1..3}": errRange, "x{a..z}/y": errRange,
		strings.Repeat("{a,b}", 10): errMany, strings.Repeat("{a,b}", 1000): errMany,
		"[[:digit:]]": errClass, "[![:alpha:]_]*": errClass, "[[=a=]]": errClass, "[a[.x.]]": errClass,
		"@(a|b)": errExtended, "*.!(json)": errExtended, "?(a)b": errExtended, "+(a)": errExtended, "x/*(1)": errExtended, "!(a)": errExtended,
		"!*.json": errNot, "a/!b": errNot,
		"a**": errStars, "**.json": errStars, "a/**b/c": errStars, "***": errStars,
		"[": errSyntax, "[]": errSyntax, "[]a]": errSyntax, "[a-]": errSyntax, "[!]": errSyntax, `a\`: errSyntax, "[a/b]": errSyntax, `a\/b`: errSyntax,
		"[!-a]": errSyntax,
	} {
		_, err := Compile(pattern)
		require.ErrorIs(t, err, want, pattern)
		require.ErrorContains(t, err, "glob ", pattern)
	}
}

func FuzzPatterns(f *testing.F) {
	for _, pattern := range []string{"*.{json,csv}", "[!_]*", "**/a", `\{`, "{a,{b,c}}", "[[:a:]]"} {
		f.Add(pattern, "a.json")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		g, err := Compile(pattern)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(g), maxAlternatives)
		g.Match(name)
		if !strings.ContainsAny(pattern, `*?[\{}!@+(`) {
			require.Equal(t, pattern == name, g.Match(name))
		}
	})
}
