package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADrawRepeatsWithItsSeedAndLeavesTestsOut(t *testing.T) {
	root := t.TempDir()
	files := map[string]string{
		"a.go":      "package a\n\n// First is one.\nfunc First() {}\n\n//go:generate nothing\n\n// Second is two.\ntype Second int\n",
		"b.go":      "package a\n\n// third is three.\nvar third int // a note\n",
		"a_test.go": "package a\n\n// hidden is in a test.\nvar hidden int\n",
	}
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}} {
		require.NoError(t, exec.Command("git", append([]string{"-C", root}, args...)...).Run())
	}
	print := func(n int, seed uint64) string {
		var out strings.Builder
		require.NoError(t, draw(&out, root, n, seed))
		return out.String()
	}
	drawn := print(2, 7)
	require.Equal(t, drawn, print(2, 7))
	all := print(4, 1)
	require.Contains(t, all, "4 of 4 comments, seed 1")
	for _, text := range []string{"a.go:3\nFirst is one.\n\tfunc First", "Second is two.", "third is three.", "b.go:4\na note"} {
		require.Contains(t, all, text)
	}
	require.NotContains(t, all, "hidden")
	require.NotContains(t, all, "generate")
	require.ErrorContains(t, draw(&strings.Builder{}, root, 5, 1), "4 comments")
}
