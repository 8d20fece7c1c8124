package main

import (
	"bytes"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

func TestShapesAreSortedAndDeterministic(t *testing.T) {
	for _, s := range shapes {
		for _, n := range []int{0, 1, 1000, 20_000} {
			keys := s.keys(n)
			require.Len(t, keys, n, s.name)
			require.True(t, slices.IsSorted(keys), s.name)
			require.Len(t, slices.Compact(slices.Clone(keys)), n, s.name)
			require.Equal(t, keys, s.keys(n), s.name)
		}
	}
	skewed := 0
	for _, key := range skewKeys(20_000) {
		if strings.HasPrefix(key, "customer/03127/") {
			skewed++
		}
	}
	require.InDelta(t, 18_000, skewed, 10)
}

func TestKeyServerListsEveryKeyOfAPrefixOnce(t *testing.T) {
	keys := []string{"a", "b&<c>", "b/1", "b/2", "b/é", "c"}
	server := &keyServer{keys: keys, latency: time.Millisecond}
	address := httptest.NewServer(server)
	defer address.Close()
	bucket, err := openServed(t.Context(), address.URL)
	require.NoError(t, err)
	defer bucket.Close()
	for _, prefix := range []string{"", "b", "b/", "c", "d"} {
		for size := 1; size < 8; size++ {
			server.served.Store(0)
			got := []string{}
			for token := blob.FirstPageToken; token != nil; {
				var objects []*blob.ListObject
				objects, token, err = bucket.ListPage(t.Context(), token, size, &blob.ListOptions{Prefix: prefix})
				require.NoError(t, err)
				require.LessOrEqual(t, len(objects), size)
				for _, o := range objects {
					got = append(got, o.Key)
					require.EqualValues(t, 1024, o.Size)
				}
			}
			want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasPrefix(key, prefix) })
			require.Equal(t, want, got, "%q by %d", prefix, size)
			asked, err := served(t.Context(), address.URL)
			require.NoError(t, err)
			require.Equal(t, max(1, (len(want)+size-1)/size), int(asked), "%q by %d", prefix, size)
		}
	}
}

func TestKeyServerStartsAfterAnyKey(t *testing.T) {
	server := &keyServer{keys: []string{"a/1", "a/3", "b/1"}}
	for after, want := range map[string]string{"": "a/1", "a/1": "a/3", "a/2": "a/3", "a/3": "", "0": "a/1", "z": ""} {
		page := string(server.page("a/", after, 1))
		_, page, _ = strings.Cut(page, "<Contents><Key>")
		key, _, _ := strings.Cut(page, "</Key>")
		require.Equal(t, want, key, "after %q", after)
	}
}

func TestUnknownShapeIsAnError(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, serveKeys(t.Context(), &out, io.MultiReader(), `{"Shape":"none"}`), `no shape "none"`)
	_, _, err := startKeys(t.Context(), listing()[0].name, keysOf{Shape: "none"})
	require.ErrorContains(t, err, "exit status 1")
}
