package s3_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
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
func TestKeysThatTheDriverEscapesAreListedOnceByAnyNumberOfListers(t *testing.T) {
	s := newServer(t)
	fill(t, s.open(t), numberedKeys(400, "top/a%03d", "top/b\x01%03d", "top/b_%03d", "top/x/../%03d", "top//%03d", "top/100%%%03d/")...)
	want := numberedKeys(400, "a%03d", "b\x01%03d", "b_%03d", "x/../%03d", "/%03d", "100%%%03d/")
	slices.Sort(want)
	bucket := blob.PrefixedBucket(s.open(t), "top/")
	defer bucket.Close()
	for _, listers := range []int{1, 32} {
		got, err := listAll(t, bucket, "", source.ObjectsOptions{Store: s3.Store(), Listers: listers, KeepFolders: true})
		require.NoError(t, err)
		require.Len(t, got, len(want))
		require.True(t, slices.Equal(want, got))
		got, err = runAll(t, bucket, source.ObjectsOptions{Store: s3.Store(), Listers: listers, KeepFolders: true})
		require.NoError(t, err, "%d listers", listers)
		require.Len(t, got, len(want))
		require.True(t, slices.Equal(want, got))
	}
	got, err := runAll(t, bucket, source.ObjectsOptions{KeepFolders: true})
	require.NoError(t, err, "without the store")
	require.True(t, slices.Equal(want, got))
}

// runAll returns the keys of a durable run that is suspended and resumed.
func runAll(t *testing.T, bucket *blob.Bucket, options source.ObjectsOptions) (keys []string, err error) {
	results := memblob.OpenBucket(nil)
	defer results.Close()
	var mu sync.Mutex
	for calls := range 3 {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err = dmap.Map(ctx, source.Objects(bucket, "", options), func(_ context.Context, o source.Object) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if keys = append(keys, o.Key); calls < 2 && len(keys) == 700*(calls+1) {
				cancel(dmap.ErrSuspended)
			}
			return "", nil
		}, dmap.Options{RunID: "run", MaxConcurrency: 4}, sink.Bucket[string](results, ""))
		cancel(nil)
		if !errors.Is(err, dmap.ErrSuspended) {
			break
		}
	}
	slices.Sort(keys)
	return keys, err
}

// Other programs store keys that no driver would.
func TestAKeyThatCannotBeReadCostsItsItem(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t)
	want := numberedKeys(1500, "k%04d")
	fill(t, bucket, want...)
	var client *awss3.Client
	require.True(t, bucket.As(&client))
	for _, key := range []string{"k0100__0x41__", "k1400__0x41__", "__0x41__", "k0200\tx", "k0300/../x"} {
		_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), Body: strings.NewReader("x")})
		require.NoError(t, err)
	}
	for _, options := range []source.ObjectsOptions{{}, {Store: s3.Store(), Listers: 1}, {Store: s3.Store()}} {
		var mu sync.Mutex
		read := 0
		stats, err := dmap.Map(t.Context(), source.Objects(bucket, "", options), func(ctx context.Context, o source.Object) (string, error) {
			if o.Key == "A" || strings.HasSuffix(o.Key, "A") {
				return "", errors.New("this is another object")
			}
			_, err := o.ReadAll(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				read++
			}
			return "", err
		}, dmap.Options{Tolerance: dmap.Tolerance{Count: 5}})
		require.NoError(t, err)
		require.EqualValues(t, 1505, stats.Read)
		require.EqualValues(t, 5, stats.Failed)
		require.Equal(t, 1500, read)
	}
}

// The driver would ask for another prefix than that of the objects.
func TestAPrefixThatTheDriverEscapesListsItsObjectsOrIsRefused(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t)
	var client *awss3.Client
	require.True(t, bucket.As(&client))
	for _, key := range []string{"t\tt/a", "t\tt/b", "u/c"} { // stored by another program
		_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), Body: strings.NewReader("x")})
		require.NoError(t, err)
	}
	fill(t, bucket, "v\tv/d", "v\tv/e") // stored by this one, as "v__0x9__v/"
	for _, options := range []source.ObjectsOptions{{}, {Store: s3.Store(), Listers: 1}, {Store: s3.Store()}} {
		got, err := listAll(t, bucket, "v\tv/", options)
		require.NoError(t, err)
		require.Equal(t, []string{"v\tv/d", "v\tv/e"}, got)
		stats, err := dmap.Map(t.Context(), source.Objects(bucket, "t\tt/", options), func(context.Context, source.Object) (string, error) {
			return "", nil
		}, dmap.Options{})
		require.Error(t, err, "%d items, and success", stats.Succeeded)
		t.Log(err)
	}
}
