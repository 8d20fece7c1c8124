package sink_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

var (
	storedTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^"\\]*`)
	preciseTime = regexp.MustCompile(`^[^.]*(\.\d{1,6})?Z$`)
)

// requireTimes checks each time in a bucket and counts them by the first letters of the objects'
// names.
func requireTimes(t *testing.T, bucket *blob.Bucket, name string, seen map[string]int) {
	t.Helper()
	for _, key := range keys(t, bucket) {
		for _, at := range storedTime.FindAllString(read(t, bucket, key), -1) {
			require.Regexp(t, preciseTime, at, "%s: %s", name, key)
			seen[strings.TrimPrefix(key, "out/r/")[:3]]++
		}
	}
}

// DuckDB reads times with more digits as text. The clock of these runs has nanoseconds.
func TestStoredTimesHaveAtMostMicroseconds(t *testing.T) {
	seen := map[string]int{}
	for name, write := range map[string]func(*testing.T, *blob.Bucket){
		"suspended": func(t *testing.T, bucket *blob.Bucket) { suspended(t, bucket, 200) },
		"ended": func(t *testing.T, bucket *blob.Bucket) {
			_, err := job(t.Context(), bucket, 20, new(atomic.Int64))
			require.NoError(t, err)
		},
		"held":     func(t *testing.T, bucket *blob.Bucket) { holdAndDecide(t, bucket) },
		"redriven": redriveGroup,
		"edited":   editAndEnd,
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(123456789 * time.Nanosecond)
			bucket := memory(t)
			write(t, bucket)
			requireTimes(t, bucket, name, seen)
		})
	}
	for _, kind := range []string{"run", "red", "man", "com", "FAI", "GRO", "TAK"} {
		require.Positive(t, seen[kind], kind)
	}
}

func TestTimesOfGoldenFoldersHaveAtMostMicroseconds(t *testing.T) {
	folders, err := filepath.Glob("testdata/golden-v*/*")
	require.NoError(t, err)
	seen := map[string]int{}
	for _, dir := range folders {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.True(t, info.IsDir(), dir)
		bucket := memory(t)
		upload(t, bucket, dir)
		requireTimes(t, bucket, dir, seen)
	}
	require.Greater(t, len(folders), 8)
	for _, kind := range []string{"run", "red", "man", "com", "FAI", "GRO", "TAK"} {
		require.Positive(t, seen[kind], kind)
	}
}
