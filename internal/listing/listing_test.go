package listing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func folder(tb testing.TB, keys []string) *blob.Bucket {
	tb.Helper()
	bucket, err := fileblob.OpenBucket(tb.TempDir(), &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	require.NoError(tb, err)
	return filled(tb, bucket, keys)
}

func memory(tb testing.TB, keys []string) *blob.Bucket {
	tb.Helper()
	return filled(tb, memblob.OpenBucket(nil), keys)
}

func filled(tb testing.TB, bucket *blob.Bucket, keys []string) *blob.Bucket {
	tb.Helper()
	tb.Cleanup(func() { require.NoError(tb, bucket.Close()) })
	for _, key := range keys {
		require.NoError(tb, bucket.WriteAll(tb.Context(), key, nil, nil))
	}
	return bucket
}

// keysOf collects the keys of a listing.
func keysOf(tb testing.TB, objects iter.Seq2[*blob.ListObject, error]) []string {
	tb.Helper()
	keys := []string{}
	for object, err := range objects {
		require.NoError(tb, err)
		keys = append(keys, object.Key)
	}
	return keys
}

// below returns the keys that a listing must yield: those under prefix and greater than after,
// sorted.
func below(keys []string, prefix, after string) []string {
	want := []string{}
	for _, key := range slices.Sorted(slices.Values(keys)) {
		if strings.HasPrefix(key, prefix) && key > after {
			want = append(want, key)
		}
	}
	return want
}

// The driver walks "a/" before "a-b" and continues after the last key of a page, so it loses keys.
func TestFolderListsFilesBesideDirectoriesInKeyOrder(t *testing.T) {
	keys := []string{"a-b", "a.b", "a0", "b"}
	for i := range 12 {
		keys = append(keys, fmt.Sprintf("a/%04d", i), fmt.Sprintf("a-/%04d", i), fmt.Sprintf("a--/%04d", i))
	}
	bucket := folder(t, keys)
	require.Equal(t, below(keys, "", ""), keysOf(t, After(t.Context(), bucket, "", "")))
}

func TestFolderListsAllKeysFromEveryPosition(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range (testsize.Sizes{Short: 3, Usual: 12, Long: 60}).Now() {
		keys := randomKeys(random)
		bucket := folder(t, keys)
		for range 20 {
			prefix, after := "", ""
			if random.IntN(2) == 0 {
				prefix = somePrefix(random, keys)
			}
			if random.IntN(2) == 0 {
				after = somePrefix(random, keys)
			}
			got := keysOf(t, After(t.Context(), bucket, prefix, after))
			require.Equal(t, below(keys, prefix, after), got, "prefix %q after %q", prefix, after)
		}
	}
}

// randomKeys returns keys of which none is a directory of another. Some hold characters that
// fileblob escapes.
func randomKeys(random *rand.Rand) []string {
	segments := []string{"a", "b", "a-", "a--", "a.", "a0", "z", "é", "_", "__0", "a\n", "\x01", "B", "", "..", "x__0x2f__"}
	keys := map[string]bool{}
	for range 60 {
		var key string
		for range random.IntN(4) {
			key += segments[random.IntN(len(segments))] + "/"
		}
		key = strings.TrimLeft(key, "/") // which fileblob drops
		keys[key+segments[random.IntN(len(segments))]+".json"] = true
	}
	var list []string
	for key := range keys {
		list = append(list, key)
	}
	return list
}

func somePrefix(random *rand.Rand, keys []string) string {
	key := keys[random.IntN(len(keys))]
	return key[:random.IntN(len(key)+1)]
}

func TestPrefixedFolderListsItsKeys(t *testing.T) {
	var keys []string
	for i := range 30 {
		keys = append(keys, fmt.Sprintf("in/%d/%d", i%3, i), fmt.Sprintf("inner/%d", i))
	}
	for _, prefix := range []string{"in/", "in", "in/1"} {
		dir := t.TempDir()
		inner, err := fileblob.OpenBucket(dir, nil)
		require.NoError(t, err)
		for _, key := range keys {
			require.NoError(t, inner.WriteAll(t.Context(), key, nil, nil))
		}
		bucket := blob.PrefixedBucket(inner, prefix)
		var want []string
		for _, key := range below(keys, prefix, "") {
			want = append(want, strings.TrimPrefix(key, prefix))
		}
		require.Equal(t, want, keysOf(t, After(t.Context(), bucket, "", "")), "prefix %q", prefix)
		require.NoError(t, bucket.Close())
	}
}

func TestMemoryListsManyPagesFromEveryPosition(t *testing.T) {
	var keys []string
	for i := range 2500 {
		keys = append(keys, fmt.Sprintf("data/%06d", i))
	}
	bucket := memory(t, append(keys, "other"))
	for _, test := range []struct{ prefix, after string }{
		{"", ""}, {"data/", ""}, {"data/", "data/000999"}, {"data/", "data/001"}, {"data/", "zzz"}, {"none", ""}, {"", "a"},
	} {
		want := below(append(keys, "other"), test.prefix, test.after)
		require.Equal(t, want, keysOf(t, After(t.Context(), bucket, test.prefix, test.after)), "%+v", test)
	}
	prefixed := blob.PrefixedBucket(memblob.OpenBucket(nil), "data/")
	defer prefixed.Close()
	for _, key := range keys {
		require.NoError(t, prefixed.WriteAll(t.Context(), key, nil, nil))
	}
	require.Equal(t, below(keys, "", "data/002000"), keysOf(t, After(t.Context(), prefixed, "", "data/002000")))
}

// A bucket in memory sorts all keys for each page, so pages of 1,000 keys would cost quadratic
// time.
func TestMemoryIsListedInFewPages(t *testing.T) {
	var keys []string
	for i := range 5000 {
		keys = append(keys, fmt.Sprintf("%06d", i))
	}
	bucket := dmaptest.NewFaultBucket(t, memory(t, keys))
	require.Len(t, keysOf(t, After(t.Context(), bucket.Bucket, "", "")), 5000)
	require.LessOrEqual(t, bucket.Calls(dmaptest.OpList), 2)
}

func TestErrorOfALaterPageComesAfterTheObjectsBeforeIt(t *testing.T) {
	var keys []string
	for i := range 1500 {
		keys = append(keys, fmt.Sprintf("data/%06d", i))
	}
	bucket := dmaptest.NewFaultBucket(t, memory(t, keys))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpList, Nth: 2})
	n := 0
	var failed error
	for _, err := range After(t.Context(), bucket.Bucket, "data/", "") {
		if failed = err; err == nil {
			n++
		}
	}
	require.Equal(t, 1000, n)
	require.ErrorIs(t, failed, dmaptest.ErrInjected)
	require.ErrorContains(t, failed, `list "data/"`)
}

func TestBreakWaitsForThePrefetchedPage(t *testing.T) {
	var keys []string
	for i := range 1500 {
		keys = append(keys, fmt.Sprintf("%06d", i))
	}
	bucket := dmaptest.NewFaultBucket(t, memory(t, keys))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpList, Nth: 2, Kind: dmaptest.Stall})
	for _, err := range After(t.Context(), bucket.Bucket, "", "") {
		require.NoError(t, err)
		break
	}
	require.LessOrEqual(t, bucket.Calls(dmaptest.OpList), 2)
}

func TestListingStopsWithTheCauseOfItsContext(t *testing.T) {
	cause := errors.New("enough")
	for name, bucket := range map[string]*blob.Bucket{"memory": memory(t, []string{"a"}), "folder": folder(t, []string{"a"})} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		var failed error
		for _, failed = range After(ctx, bucket, "", "") {
		}
		require.ErrorIs(t, failed, cause, name)
	}
}

func TestPrefixesWithoutObjectsListNothing(t *testing.T) {
	for name, bucket := range map[string]*blob.Bucket{"memory": memory(t, nil), "folder": folder(t, nil)} {
		require.Empty(t, keysOf(t, After(t.Context(), bucket, "", "")), name)
		require.NoError(t, bucket.WriteAll(t.Context(), "file", nil, nil))
		for _, prefix := range []string{"no/such/", "file/", "file/x/", "fil/", strings.Repeat("x", 300) + "/"} {
			require.Empty(t, keysOf(t, After(t.Context(), bucket, prefix, "")), "%s %q", name, prefix)
		}
	}
}

func TestPrefixFindsNothingOutsideTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "..", "secret"), nil, 0o600))
	bucket, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	filled(t, bucket, []string{"../inside"})
	for _, prefix := range []string{"../", "..", "x/../../", "/"} {
		for object, err := range After(t.Context(), bucket, prefix, "") {
			require.NoError(t, err)
			require.Equal(t, "../inside", object.Key)
		}
	}
}

func TestFolderMarkersAreListedWithTheirFolder(t *testing.T) {
	keys := []string{"a-", "a/", "a/b", "a/c/", "a/c/d", "e/"}
	bucket := folder(t, keys)
	for _, prefix := range []string{"", "a", "a/", "a/c/", "e/"} {
		require.Equal(t, below(keys, prefix, ""), keysOf(t, After(t.Context(), bucket, prefix, "")), "prefix %q", prefix)
	}
}
