// Package typedtest writes small modules for tests of what measures packages.
package typedtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed"
)

// Write makes a module named path of the given files, by name, and returns its folder.
func Write(t *testing.T, path string, files map[string]string) string {
	t.Helper()
	t.Setenv("GOWORK", "off")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module "+path+"\n\ngo 1.26\n")
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// Load writes the module and loads its packages.
func Load(t *testing.T, path string, files map[string]string) []*typed.Package {
	t.Helper()
	packages, err := typed.Load(Write(t, path, files), "./...")
	require.NoError(t, err)
	return packages
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
