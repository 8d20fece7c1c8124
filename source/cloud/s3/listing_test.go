package s3_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

// numberedKeys returns n keys of each form.
func numberedKeys(n int, forms ...string) (keys []string) {
	for i := range n {
		for _, form := range forms {
			keys = append(keys, fmt.Sprintf(form, i))
		}
	}
	return keys
}

// listAll returns the keys that a source lists, sorted, up to its first error.
func listAll(t *testing.T, bucket *blob.Bucket, prefix string, options source.ObjectsOptions) (keys []string, err error) {
	src := dmap.PlanOf(source.Objects(bucket, prefix, options))
	for split, err := range src.Splits(t.Context()) {
		require.NoError(t, err)
		for item, err := range src.Read(t.Context(), split) {
			if err != nil {
				return keys, err
			}
			require.NoError(t, item.Err)
			keys = append(keys, item.Key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

func TestParallelListingFindsEveryKeyOnce(t *testing.T) {
	s := newServer(t)
	n := testsize.Sizes{Short: 350, Usual: 700}.Now() // of each of four kinds: more than one page
	want := numberedKeys(n, "Z/%03d", "a%03d", "b_%03d", "é/%03d")
	fill(t, s.open(t), numberedKeys(n, "top/Z/%03d", "top/a%03d", "top/b_%03d", "top/é/%03d", "zzz%03d")...)
	bucket := blob.PrefixedBucket(s.open(t), "top/")
	defer bucket.Close()
	got, err := listAll(t, bucket, "", source.ObjectsOptions{Store: s3.Store()})
	require.NoError(t, err)
	slices.Sort(want)
	require.Len(t, got, len(want))
	require.True(t, slices.Equal(want, got))
}

// The driver writes a control character as "__0x1__", so S3 sorts such keys differently than their
// bytes.
func TestParallelListingFailsOnKeysThatTheDriverEscapes(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t)
	want := numberedKeys(400, "a%03d", "b\x01%03d", "b_%03d", "x/../%03d")
	fill(t, bucket, want...)
	_, err := listAll(t, bucket, "", source.ObjectsOptions{Store: s3.Store()})
	require.ErrorContains(t, err, "Listers: 1")
	got, err := listAll(t, bucket, "", source.ObjectsOptions{Store: s3.Store(), Listers: 1})
	require.NoError(t, err)
	slices.Sort(want)
	require.Len(t, got, len(want))
	require.True(t, slices.Equal(want, got))
}
