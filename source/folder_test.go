//go:build unix

package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func openDir(t *testing.T, dir string) *blob.Bucket {
	t.Helper()
	bucket, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return bucket
}

func put(t *testing.T, text string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

func content(ctx context.Context, o source.Object) (string, error) {
	all, err := o.ReadAll(ctx)
	return string(all), err
}

func TestAMapOverAFolderFollowsLinksAndLogsWhatItLeavesOut(t *testing.T) {
	dir := t.TempDir()
	put(t, "one", dir, "real", "a")
	put(t, "two", dir, "real", "in", "b")
	put(t, "three", dir, "beside", "c")
	for target, name := range map[string]string{
		"real": "bucket", "../beside": "real/out", "a": "real/file", "nowhere": "real/dangling", "itself": "real/itself",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "real", "pipe"), 0o600))
	bucket := openDir(t, filepath.Join(dir, "bucket"))
	var log bytes.Buffer
	var out sink.Memory[string]
	stats, err := dmap.Map(t.Context(), source.Objects(bucket, ""), content, dmap.Options{
		Tolerance: dmap.Tolerance{Count: 2}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, &out)
	require.NoError(t, err)
	require.EqualValues(t, 6, stats.Read)
	require.EqualValues(t, 2, stats.Failed)
	got := map[string]string{}
	for _, r := range out.Succeeded() {
		got[r.Key] = r.Value
	}
	require.Equal(t, map[string]string{"a": "one", "in/b": "two", "file": "one", "out/c": "three"}, got)
	for _, r := range out.Failed() {
		require.Contains(t, []string{"dangling", "itself"}, r.Key)
	}
	require.Contains(t, log.String(), "leaves out")
	require.Contains(t, log.String(), "named pipe (FIFO)")
	require.Contains(t, log.String(), "follows the link")
}

// Nothing opens a named pipe, which would wait for its writer.
func TestAPipeThatIsNamedIsRefused(t *testing.T) {
	dir := t.TempDir()
	put(t, "{}\n", dir, "beside-a-pipe")
	put(t, "{}\n", dir, "good")
	for _, name := range []string{"pipe", "pipe.csv.gz", "beside-a-pipe.attrs", "pipe__0x2f__"} {
		require.NoError(t, syscall.Mkfifo(filepath.Join(dir, name), 0o600))
	}
	require.NoError(t, os.Symlink("pipe", filepath.Join(dir, "link")))
	bucket := openDir(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	keys := []string{"pipe", "pipe.csv.gz", "beside-a-pipe", "pipe/", "link"}
	decode := func(ctx context.Context, m map[string]any) (int, error) { return 0, nil }
	for _, key := range keys {
		for kind, src := range map[string]dmap.Source[map[string]any]{
			"lines": source.JSONLines[map[string]any](bucket, key), "array": source.JSONArray[map[string]any](bucket, key),
		} {
			_, err := dmap.Map(ctx, src, decode, dmap.Options{})
			require.ErrorContains(t, err, "not a regular file but a named pipe (FIFO)", "%s %s", kind, key)
		}
		_, err := dmap.Map(ctx, source.CSV(bucket, key, source.Maps), func(context.Context, map[string]string) (int, error) { return 0, nil }, dmap.Options{})
		require.ErrorContains(t, err, "named pipe", key)
		_, err = source.Object{Key: key, Size: -1}.In(bucket).ReadAll(ctx)
		require.ErrorContains(t, err, "named pipe", key)
	}
	var out sink.Memory[string]
	stats, err := dmap.Map(ctx, source.Keys(bucket, append(keys, "good")), content, dmap.Options{Tolerance: dmap.Tolerance{Count: 5}}, &out)
	require.NoError(t, err)
	require.EqualValues(t, 5, stats.Failed)
	require.EqualValues(t, 1, stats.Succeeded)
	require.NoError(t, ctx.Err())

	flat := source.Flatten(source.Objects(bucket, ""), func(o source.Object) dmap.Source[map[string]any] {
		return source.JSONLinesOf[map[string]any](o)
	})
	stats, err = dmap.Map(ctx, flat, decode, dmap.Options{Tolerance: dmap.Tolerance{BrokenObjects: 1}})
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.BrokenObjects)
	require.EqualValues(t, 1, stats.Succeeded)
}

// Calls that hold files open use up the descriptors of the process while the folder is listed.
func TestAListingBesideCallsThatHoldFilesIsWholeOrFails(t *testing.T) {
	dir := t.TempDir()
	const directories, files = 60, 10
	for d := range directories {
		for f := range files {
			put(t, "x", dir, fmt.Sprintf("%03d", d), fmt.Sprint(f))
		}
	}
	bucket := openDir(t, dir)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	limit := before
	limit.Cur = 100
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) }()
	var mu sync.Mutex
	var held []*os.File
	stats, err := dmap.Map(t.Context(), source.Objects(bucket, ""), func(ctx context.Context, o source.Object) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		if file, err := os.Open(filepath.Join(dir, filepath.FromSlash(o.Key))); err == nil {
			held = append(held, file)
		} else if !errors.Is(err, syscall.EMFILE) || len(held) == 0 {
			return 0, err
		}
		if len(held) > 50 { // as calls that end
			for _, file := range held {
				_ = file.Close()
			}
			held = nil
		}
		return 0, nil
	}, dmap.Options{MaxConcurrency: 1000})
	require.NoError(t, err)
	require.EqualValues(t, directories*files, stats.Succeeded)
}
