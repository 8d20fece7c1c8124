package source_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// interrupted runs src again and again, suspended after a few calls each time, and returns the item
// IDs of the results: they go through commits, parts and the manifest.
func interrupted[T any](t *testing.T, src func() dmap.Source[T], concurrency, calls int) []string {
	t.Helper()
	bucket := memory(t, nil)
	for range 1000 {
		ctx, suspend := context.WithCancelCause(t.Context())
		var mu sync.Mutex
		n := 0
		_, err := dmap.Map(ctx, src(), func(context.Context, T) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == calls {
				suspend(dmap.ErrSuspended)
			}
			return "", nil
		}, dmap.Options{RunID: "r", MaxConcurrency: concurrency}, sink.Bucket[string](bucket, "out"))
		suspend(nil)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, dmap.ErrSuspended)
	}
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	var ids []string
	for r, err := range results.Successes[string](t.Context(), bucket, m) {
		require.NoError(t, err)
		require.Equal(t, r.ID, dmap.Item[string]{Key: r.Key, Offset: r.Offset}.ID())
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestNamesOfAnyBytesInAFolderAreCalledOnceEach(t *testing.T) {
	dir := t.TempDir()
	names := []string{"20\xb0.txt", "20é.txt", "20€.txt"}
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	in, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	defer in.Close()
	slices.Sort(names)
	require.Equal(t, names, interrupted(t, func() dmap.Source[source.Object] { return source.Objects(in, "") }, 1, 1))
}

// anyKeys are random keys, many of them no text, and with what sources and formats use as
// separators.
func anyKeys(random *rand.Rand, n int) []string {
	pieces := []string{"a", "/", "0/", "1/keys", "#", "@5", ":", "%2F", `"`, `\`, "\xff", "\xc3", "é", "€", "\u2028", "\x00", "\x7f", "\ufffd", "item", " "}
	keys := make([]string, n)
	for i := range keys {
		var b strings.Builder
		for range 1 + random.IntN(5) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		fmt.Fprintf(&b, "%c", 'a'+random.IntN(26))
		keys[i] = b.String()
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func TestKeysOfAnyBytesSurviveSuspensions(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 7))
		keys := anyKeys(random, 60)
		bucket := blob.NewBucket(&cloud{keys: keys})
		defer bucket.Close()
		serial := func() dmap.Source[source.Object] { return source.Objects(bucket, "") }
		parallel := func() dmap.Source[source.Object] {
			exact := seekable // without it, a key that drivers escape may end the listing: who knows where it is stored?
			exact.StoredKey = func(o *blob.ListObject) string { return o.Key }
			return source.Objects(bucket, "", source.ObjectsOptions{Store: exact, Listers: 4})
		}
		for name, src := range map[string]func() dmap.Source[string]{
			"serial":   func() dmap.Source[string] { return source.Transform(serial(), keyOf) },
			"parallel": func() dmap.Source[string] { return source.Transform(parallel(), keyOf) },
			"concat": func() dmap.Source[string] {
				return source.Concat(source.Slice(keys), source.Transform(serial(), keyOf), source.Seq(slices.Values(keys)))
			},
			"flatten": func() dmap.Source[string] { return source.Flatten(serial(), oneItem) },
		} {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				var want []string
				for _, item := range read(t, src()) {
					want = append(want, item.ID())
				}
				slices.Sort(want)
				require.Len(t, slices.Compact(slices.Clone(want)), len(want), "IDs are unique")
				require.Equal(t, want, interrupted(t, src, 1+int(seed)*3, 9))
			})
		}
	}
}

func TestAnObjectWithTheIDOfANumberedItemIsRefused(t *testing.T) {
	keys := func(list ...string) dmap.Source[string] {
		slices.Sort(list)
		return source.Transform(source.Objects(blob.NewBucket(&cloud{keys: list}), ""), keyOf)
	}
	numbers := source.Slice([]string{"a", "b"})
	for key, refused := range map[string]bool{
		"0/item@0": true, "0/0/item@17": true, "0/item": false, "1/item@0": false, "00/item@0": false, "0/item@0x": false, "9/item@0": false,
	} {
		_, err := try(t.Context(), source.Concat(numbers, keys(key)))
		if refused {
			require.ErrorContains(t, err, strconv.Quote(key)+" has the ID of a numbered item")
		} else {
			require.NoError(t, err, key)
		}
	}
	bucket := memory(t, map[string]string{"0/item": "1\n"})
	_, err := try(t.Context(), source.Concat(source.Slice([]int{1}), source.JSONLines[int](bucket, "0/item")))
	require.ErrorContains(t, err, `"0/item" has the ID of a numbered item`)
}
