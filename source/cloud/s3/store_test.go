package s3_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

func fill(t *testing.T, bucket *blob.Bucket, keys ...string) {
	for _, key := range keys {
		require.NoError(t, bucket.WriteAll(t.Context(), key, []byte("x"), nil))
	}
}

// listed returns the keys of a page that starts after key.
func listed(t *testing.T, bucket *blob.Bucket, token []byte, size int, prefix, key string) (keys []string, next []byte) {
	hooked := false
	objects, next, err := bucket.ListPage(t.Context(), token, size, &blob.ListOptions{
		Prefix: prefix, BeforeList: func(as func(any) bool) error {
			hooked = s3.Store().StartAfter(as, prefix, key)
			return nil
		},
	})
	require.NoError(t, err)
	require.True(t, hooked)
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	return keys, next
}

func TestListingStartsAfterAKey(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t)
	fill(t, bucket, "a/1", "a/2", "a/3", "a/4", "b/1")

	keys, next := listed(t, bucket, blob.FirstPageToken, 1, "a/", "a/2")
	require.Equal(t, []string{"a/3"}, keys)
	require.Equal(t, "a/2", s.Last().URL.Query().Get("start-after"))
	keys, _ = listed(t, bucket, next, 9, "a/", "a/2")
	require.Equal(t, []string{"a/4"}, keys)
	require.False(t, s.Last().URL.Query().Has("start-after"), "a later page has its token")

	keys, _ = listed(t, bucket, blob.FirstPageToken, 9, "", "a/35")
	require.Equal(t, []string{"a/4", "b/1"}, keys)
	keys, _ = listed(t, bucket, blob.FirstPageToken, 9, "b/", "")
	require.Equal(t, []string{"b/1"}, keys)
}

func TestListingOfAPrefixedBucketStartsAfterAKey(t *testing.T) {
	s := newServer(t)
	fill(t, s.open(t), "top/a/1", "top/a/2", "top/b", "zzz")
	bucket := blob.PrefixedBucket(s.open(t), "top/")
	defer bucket.Close()
	keys, _ := listed(t, bucket, blob.FirstPageToken, 9, "a/", "a/1")
	require.Equal(t, []string{"a/2"}, keys)
	require.Equal(t, "top/a/1", s.Last().URL.Query().Get("start-after"))
	keys, _ = listed(t, bucket, blob.FirstPageToken, 9, "", "a/2")
	require.Equal(t, []string{"b"}, keys)
}

func TestAListingStartsAfterTheKeyThatTheStoreHas(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t)
	fill(t, bucket, "a", "a\x01b", "a/../b", "aB", "b")
	for key, want := range map[string]struct {
		start string
		keys  []string
	}{
		"a":             {"a", []string{"a/../b", "aB", "a\x01b", "b"}},
		"a/..__0x2f__b": {"a/..__0x2f__b", []string{"aB", "a\x01b", "b"}},
		"a__0x1__b":     {"a__0x1__b", []string{"b"}},
		"a\xff":         {"a", []string{"a/../b", "aB", "a\x01b", "b"}},
		"é":             {"é", nil},
		"a\uFFFD":       {"a\uFFFD", []string{"b"}},
	} {
		keys, _ := listed(t, bucket, blob.FirstPageToken, 9, "", key)
		require.Equal(t, want.start, s.Last().URL.Query().Get("start-after"))
		require.Equal(t, want.keys, keys, "after %q", key)
	}
}

func TestNoStartKeyForAPrefixThatTheDriverEscapes(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t)
	fill(t, bucket, "a\x01/1", "a\x01/2")
	_, _, err := bucket.ListPage(t.Context(), blob.FirstPageToken, 9, &blob.ListOptions{
		Prefix: "a\x01/", BeforeList: func(as func(any) bool) error {
			require.False(t, s3.Store().StartAfter(as, "a\x01/", "a\x01/1"))
			return nil
		},
	})
	require.NoError(t, err)
	require.False(t, s.Last().URL.Query().Has("start-after"))
}

func TestReadsAreConditionalOnTheListedETag(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t)
	fill(t, bucket, "key")
	attributes, err := bucket.Attributes(t.Context(), "key")
	require.NoError(t, err)
	n := 0
	for item, err := range source.Objects(bucket, "", source.ObjectsOptions{Store: s3.Store()}).Items(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, item.Err)
		require.Equal(t, attributes.ETag, item.Value.ETag)
		n++
		r, err := bucket.NewReader(t.Context(), "key", &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
			require.True(t, s3.Store().IfMatch(as, item.Value.ETag))
			return nil
		}})
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Equal(t, attributes.ETag, s.Last().Header.Get("If-Match"))
	}
	require.Equal(t, 1, n)
}

func TestRequestsOfOtherStoresAreNotChanged(t *testing.T) {
	other := func(any) bool { return false }
	require.False(t, s3.Store().StartAfter(other, "", "key"))
	require.False(t, s3.Store().IfMatch(other, "etag"))
	require.Empty(t, s3.Store().ETag(new(blob.ListObject)))
}
