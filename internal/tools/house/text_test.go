package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCountPhrases(t *testing.T) {
	n := numbers{}
	countPhrases([]byte("It goes on behind it, so many times.\nWho takes note goes on; behindhand and goons do not count.\n"+
		"What it is, lies at the beginning; beginnings.\nHe is told, set aside, handed over; went on so often: took note of a death: failed to.\n"), n)
	for name, want := range map[string]int{
		"core": 5, "what-is": 1, "beginning": 2, "told": 1, "set-aside": 1, "hand-over": 1, "going-on": 1, "so-much-so-few": 1, "note-of": 1, "death": 1, "failed-to": 1,
	} {
		require.Equal(t, want, n["phrases/"+name], name)
	}
	require.Len(t, n, len(phrases))
}

func TestEveryPhraseCountsInTheFixtureAbove(t *testing.T) {
	require.GreaterOrEqual(t, len(phrases), 10)
	require.Equal(t, "core", phrases[0].name)
}

func TestWideComments(t *testing.T) {
	wide := strings.Repeat("x", 101)
	n, err := wideComments("a.go", []byte(strings.Join([]string{
		"// " + strings.Repeat("x", 97), // 100 columns
		"// " + strings.Repeat("é", 97),
		"// " + strings.Repeat("x", 98), // 1
		"package a",
		"",
		"//go:generate " + wide,
		"var A = 1 // " + wide,
		"",
		"\t// " + strings.Repeat("x", 94), // 2: a tab is 4 columns
		"/*",
		wide, // 3
		"*/",
		"const B = `",
		"// " + wide,
		"`",
		"func ExampleB() {",
		"\t// Output:",
		"\t// " + wide,
		"}",
		"",
	}, "\n")))
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestMeasureFile(t *testing.T) {
	long := "package a\n" + strings.Repeat("// goes on\n", 500)
	wide := "package a\n\n// " + strings.Repeat("x", 100) + "\n"
	root := repository(t, map[string]string{
		"long.go": long, "long_test.go": long, "fits.go": "package a\n" + strings.Repeat("\n", 499),
		"wide.go": wide, "wide_test.go": wide, "README.md": "behind " + strings.Repeat("x", 100), "notes.txt": "behind",
	})
	files, err := tracked(root, "*.go", "*.md")
	require.NoError(t, err)
	require.Len(t, files, 6)
	n := numbers{}
	for _, f := range files {
		require.NoError(t, measureFile(root, f, n))
	}
	require.Equal(t, 501, n["phrases/core"])
	require.Equal(t, 1, n["files-over-500-lines"])
	require.Equal(t, 1, n["comment-lines-over-100-columns/code"])
	require.Equal(t, 1, n["comment-lines-over-100-columns/tests"])
}

func TestADeletedFileIsNotMeasured(t *testing.T) {
	root := repository(t, map[string]string{"a.md": "behind"})
	require.NoError(t, os.Remove(filepath.Join(root, "a.md")))
	files, err := tracked(root, "*.md")
	require.NoError(t, err)
	require.Equal(t, []string{"a.md"}, files)
	require.NoError(t, measureFile(root, "a.md", numbers{}))
}

// repository makes a git repository in which the files are tracked.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}} {
		out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return root
}
