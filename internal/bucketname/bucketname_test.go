package bucketname_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/internal/bucketname"
)

func TestNamesOfBuckets(t *testing.T) {
	dir := t.TempDir()
	folder, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	folder = blob.PrefixedBucket(folder, "a/")
	defer folder.Close()
	require.Equal(t, filepath.Clean(dir), filepath.Clean(bucketname.Of(folder)))
	memory := memblob.OpenBucket(nil)
	defer memory.Close()
	require.Empty(t, bucketname.Of(memory))
	require.Empty(t, bucketname.Of(nil))
}
