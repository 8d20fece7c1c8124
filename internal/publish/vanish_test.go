package publish_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/internal/publish"
)

// Files that a process removes while a folder is listed, such as its locks, are no error.
func TestPageOfAFolderThatChanges(t *testing.T) {
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	defer func() { require.NoError(t, bucket.Close()) }()
	for i := range 50 {
		require.NoError(t, bucket.WriteAll(t.Context(), fmt.Sprintf("in/%02d", i), nil, nil))
	}
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				name := filepath.Join(dir, "in", "25.lock")
				_ = os.WriteFile(name, nil, 0o600)
				_ = os.Remove(name)
			}
		}
	})
	for range 200 {
		page, _, err := publish.Page(t.Context(), bucket, "in/", blob.FirstPageToken)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(page), 50)
	}
	close(stop)
	busy.Wait()
}
