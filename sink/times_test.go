//go:build unix

package sink_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// DuckDB reads times with more digits as text.
func TestStoredTimesHaveAtMostMicroseconds(t *testing.T) {
	dir := t.TempDir()
	var calls atomic.Int64
	_, err := job(t.Context(), folderIn(t, dir), 20, &calls)
	require.NoError(t, err)
	stored := regexp.MustCompile(`\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[^"]*`)
	precise := regexp.MustCompile(`^[^.]*(\.\d{1,6})?Z$`)
	times := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if entry.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, at := range stored.FindAllString(string(content), -1) {
			times++
			require.Regexp(t, precise, at, path)
		}
		return nil
	}))
	require.Greater(t, times, 3)
}
