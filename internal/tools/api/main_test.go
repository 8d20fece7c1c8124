package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

func TestEveryModuleThatUsersImportIsWritten(t *testing.T) {
	root := repository(t)
	require.NoError(t, run(root, true))
	require.ElementsMatch(t, []string{"dmap.txt", "dmap/dmaptest.txt", "source/cloud/s3.txt"}, written(t, root))
	require.NoError(t, run(root, false))
}

func TestAChangedAPIFails(t *testing.T) {
	root := repository(t)
	require.NoError(t, run(root, true))
	path := filepath.Join(root, "dmap", "dmap.go")
	require.NoError(t, os.WriteFile(path, []byte("package dmap\n\nfunc Map(parallel int) {}\n"), 0o644))
	require.ErrorContains(t, run(root, false), "the public API differs from docs/api")
	require.NoError(t, run(root, true))
	require.NoError(t, run(root, false))
}

func TestANewAndARemovedPackageFail(t *testing.T) {
	root := repository(t)
	require.NoError(t, run(root, true))
	stale := filepath.Join(root, folder, "gone.txt")
	require.NoError(t, os.WriteFile(stale, []byte("package gone\n"), 0o644))
	require.Error(t, run(root, false))
	require.NoError(t, run(root, true))
	require.NoFileExists(t, stale)
	require.NoError(t, os.Remove(filepath.Join(root, folder, "dmap.txt")))
	require.Error(t, run(root, false))
}

// repository makes two modules that users import, and two that they do not.
func repository(t *testing.T) string {
	t.Helper()
	root := typedtest.Write(t, module, map[string]string{
		"dmap/dmap.go":            "package dmap\n\nfunc Map() {}\n",
		"dmap/dmaptest/test.go":   "package dmaptest\n\nfunc Test() {}\n",
		"internal/gate/gate.go":   "package gate\n\nfunc New() {}\n",
		"cmd/main.go":             "package main\n\nfunc main() {}\n",
		"source/cloud/go.mod":     "module " + module + "/source/cloud\n\ngo 1.26\n",
		"source/cloud/s3/s3.go":   "package s3\n\nfunc Open() {}\n",
		"examples/go.mod":         "module " + module + "/examples\n\ngo 1.26\n",
		"examples/loan/loan.go":   "package loan\n\nfunc New() {}\n",
		"internal/tools/go.mod":   "module " + module + "/internal/tools\n\ngo 1.26\n",
		"internal/tools/tools.go": "package tools\n",
	})
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}} {
		out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return root
}

func written(t *testing.T, root string) (names []string) {
	t.Helper()
	paths, err := files(filepath.Join(root, folder))
	require.NoError(t, err)
	for _, path := range paths {
		name, err := filepath.Rel(filepath.Join(root, folder), path)
		require.NoError(t, err)
		names = append(names, filepath.ToSlash(name))
	}
	return names
}
