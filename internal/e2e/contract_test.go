package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap/dmaptest"
)

// These tests check the properties of a store that dmap relies on.

func unique() string { return rand.Text()[:12] }

func TestCreateOnlyWriteFailsIfTheKeyExists(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		once := &blob.WriterOptions{IfNotExist: true, ContentType: "text/plain"}
		require.NoError(t, b.Upload(t.Context(), "once", strings.NewReader("first"), once))
		err := b.Upload(t.Context(), "once", strings.NewReader("second"), once)
		require.Equal(t, gcerrors.FailedPrecondition, gcerrors.Code(err), "%v", err)
		require.Equal(t, "first", read(t, b, "once"))
	})
}

func TestCreateOnlyWritesHaveOneWinnerInARace(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		if !s.createsOnce {
			return // there, results rely on unique names only
		}
		b := s.bucket(t)
		for round := range 20 {
			key := fmt.Sprint("race-", round)
			var winners atomic.Int64
			var wg sync.WaitGroup
			for n := range 8 {
				wg.Go(func() {
					once := &blob.WriterOptions{IfNotExist: true, ContentType: "text/plain"}
					if b.Upload(t.Context(), key, strings.NewReader(fmt.Sprint(n)), once) == nil {
						winners.Add(1)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 1, winners.Load(), key)
		}
	})
}

func TestPagesListKeysInByteOrder(t *testing.T) {
	keys := []string{"A", "B/1", "a", "a-b", "b/1", "b/10", "b/2", "b0", "z", "\u00e9", "\u65e5\u672c"}
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		for _, key := range keys {
			put(t, b, map[string]string{key: key})
		}
		for _, size := range []int{1, 3, 4, 100} {
			var got []string
			for token := blob.FirstPageToken; len(token) > 0; {
				page, next, err := b.ListPage(t.Context(), token, size, nil)
				require.NoError(t, err)
				for _, o := range page {
					got = append(got, o.Key)
					require.EqualValues(t, len(o.Key), o.Size)
					require.False(t, o.ModTime.IsZero())
				}
				token = next
			}
			require.Equal(t, keys, got, "pages of %d", size)
		}
	})
}

func TestRangeReadsAreExactAndReportTheObjectSize(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		put(t, b, map[string]string{"digits": content, "empty": ""})
		for _, r := range []struct{ offset, length int64 }{{0, 1}, {0, 10_000}, {9_999, 1}, {5_000, 2_500}, {7, -1}, {9_990, 100}} {
			reader, err := b.NewRangeReader(t.Context(), "digits", r.offset, r.length, nil)
			require.NoError(t, err)
			got, err := io.ReadAll(reader)
			require.NoError(t, err)
			require.EqualValues(t, len(content), reader.Size())
			require.NoError(t, reader.Close())
			end := int64(len(content))
			if r.length >= 0 {
				end = min(end, r.offset+r.length)
			}
			require.Equal(t, content[r.offset:end], string(got), "%+v", r)
		}
		require.Empty(t, read(t, b, "empty"))
	})
}

func TestMissingObjectsAreNotFound(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		_, err := b.ReadAll(t.Context(), "nothing")
		require.Equal(t, gcerrors.NotFound, gcerrors.Code(err), "%v", err)
		_, err = b.Attributes(t.Context(), "nothing")
		require.Equal(t, gcerrors.NotFound, gcerrors.Code(err), "%v", err)
		page, next, err := b.ListPage(t.Context(), blob.FirstPageToken, 10, &blob.ListOptions{Prefix: "nothing/"})
		require.NoError(t, err)
		require.Empty(t, page)
		require.Empty(t, next)
	})
}

func TestMultipartUploadRoundTrips(t *testing.T) {
	// 17 MiB: the S3 driver splits uploads above 16 MiB into parts.
	content := bytes.Repeat([]byte("dmap"), 17<<18)
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		require.NoError(t, b.Upload(t.Context(), "large", bytes.NewReader(content), &blob.WriterOptions{ContentType: "text/plain"}))
		got, err := b.ReadAll(t.Context(), "large")
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
	})
}

func TestFaultBucketExposesDriverTypes(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		if s.endpoint == nil {
			return // mem and file have no driver types
		}
		inner := s.bucket(t)
		put(t, inner, map[string]string{"a": "1"})
		b := dmaptest.NewFaultBucket(t, inner)
		var client *s3.Client
		require.True(t, b.As(&client))
		_, err := b.ReadAll(t.Context(), "nothing")
		var refusal smithy.APIError
		require.True(t, b.ErrorAs(err, &refusal), "%v", err)
		require.Equal(t, "NoSuchKey", refusal.ErrorCode())
		page, _, err := b.ListPage(t.Context(), blob.FirstPageToken, 10, &blob.ListOptions{BeforeList: func(as func(any) bool) error {
			var input *s3.ListObjectsV2Input
			require.True(t, as(&input))
			return nil
		}})
		require.NoError(t, err)
		var listed types.Object
		require.True(t, page[0].As(&listed))
		attrs, err := b.Attributes(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, attrs.ETag, *listed.ETag)
	})
}

func read(t *testing.T, b *blob.Bucket, key string) string {
	t.Helper()
	content, err := b.ReadAll(t.Context(), key)
	require.NoError(t, err)
	return string(content)
}
