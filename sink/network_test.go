package sink

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestResultsOnANetworkFileSystemAreWarnedAbout(t *testing.T) {
	usual := fileSystem
	t.Cleanup(func() { fileSystem = usual })
	local, err := fileblob.OpenBucket(t.TempDir(), nil)
	require.NoError(t, err)
	defer local.Close()
	memory := memblob.OpenBucket(nil)
	defer memory.Close()
	logged := func(bucket *blob.Bucket, name string) string {
		fileSystem = func(string) string { return name }
		var log bytes.Buffer
		opts := dmap.Options{RunID: "on-" + name, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
		_, err := dmap.Map(t.Context(), source.Slice([]int{1}), func(context.Context, int) (int, error) { return 1, nil }, opts, Bucket[int](bucket, "out"))
		require.NoError(t, err)
		return log.String()
	}
	require.Empty(t, logged(local, ""))
	require.Empty(t, logged(memory, "nfs"))
	require.Contains(t, logged(local, "nfs"), "let only one host work on the run, or use an object store")
	require.Contains(t, logged(local, "nfs4"), "fileSystem=nfs4")
}
