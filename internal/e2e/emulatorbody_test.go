package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// putEncoded writes an object with Content-Encoding gzip, as `gsutil cp -z` does.
func putEncoded(t *testing.T, b *blob.Bucket, key, text string) {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, b.WriteAll(t.Context(), key, packed.Bytes(), &blob.WriterOptions{ContentEncoding: "gzip", ContentType: "text/plain"}))
}

// rowsText returns n rows as lines of JSON and as CSV. They compress well, so that most offsets of
// rows lie beyond the stored size.
func rowsText(n int) (lines, csv string) {
	var l, c strings.Builder
	c.WriteString("id\n")
	for i := range n {
		fmt.Fprintf(&l, "{\"id\":%d}\n", i)
		fmt.Fprintf(&c, "%d\n", i)
	}
	return l.String(), c.String()
}

// Each row of an object that the store or the client decodes is called once, also after
// suspensions.
func TestEmulatedEncodedObjectsAreReadOnce(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	const n = 12_000
	lines, csv := rowsText(n)
	onEachEmulator(t, func(t *testing.T, e emulator) {
		// As the real service the bender gives no length for a decoded body.
		unsized := bend{takes: readsOf("in/"), answer: func(a *reply) { a.unsized = a.unsized || a.header.Get("Content-Encoding") == "" }}
		_, straight, crooked := e.bent(t, unsized)
		putEncoded(t, straight, "in/rows.jsonl", lines)
		putEncoded(t, straight, "in/rows.csv", csv)
		putEncoded(t, straight, "in/rows.jsonl.gz", lines)
		for _, store := range []source.StoreFeatures{{}, e.features} {
			for bucket, b := range map[string]*blob.Bucket{"straight": straight, "unsized": crooked} {
				listed := source.ObjectsOptions{Glob: "*.jsonl", Store: store}
				for name, src := range map[string]dmap.Source[event]{
					"lines":    source.JSONLines(b, "in/rows.jsonl", source.JSONLinesOptions[event]{Store: store}),
					"lines.gz": source.JSONLines(b, "in/rows.jsonl.gz", source.JSONLinesOptions[event]{Store: store}),
					"csv":      source.CSV(b, "in/rows.csv", source.Into[event], source.CSVOptions{Store: store}),
					"flatten": source.Flatten(source.Objects(b, "in/", listed), func(o source.Object) dmap.Source[event] {
						return source.JSONLinesOf[event](o)
					}),
				} {
					t.Run(fmt.Sprintf("%s, %s, store %t", name, bucket, store.Answer != nil), func(t *testing.T) {
						t.Parallel()
						suspendedRows(t, straight, src, n)
					})
				}
			}
		}
		t.Run("objects", func(t *testing.T) {
			for _, store := range []source.StoreFeatures{{}, e.features} {
				stats, err := dmap.Map(t.Context(), source.Objects(straight, "in/", source.ObjectsOptions{Store: store}), func(ctx context.Context, o source.Object) (int, error) {
					data, err := o.ReadAll(ctx)
					if err == nil && len(data) != len(lines) && len(data) != len(csv) {
						err = fmt.Errorf("%d bytes", len(data))
					}
					return len(data), err
				}, dmap.Options{})
				require.NoError(t, err)
				require.EqualValues(t, 3, stats.Succeeded)
			}
		})
	})
}

// suspendedRows runs a source of the rows below n in several processes, each of which is suspended.
func suspendedRows(t *testing.T, results *blob.Bucket, src dmap.Source[event], n int) {
	t.Helper()
	enough, runID := errors.New("enough"), unique()
	called := map[int]int{}
	var mu sync.Mutex
	for process := 0; ; process++ {
		require.Less(t, process, 10)
		ctx, suspend := context.WithCancelCause(t.Context())
		calls := 0
		_, err := dmap.Map(ctx, src, func(_ context.Context, in event) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			called[in.ID]++
			if calls++; calls == n/3 {
				suspend(fmt.Errorf("%w: %w", dmap.ErrSuspended, enough))
			}
			return in.ID, nil
		}, dmap.Options{RunID: runID, MaxConcurrency: 4}, intSink(results))
		suspend(nil)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, enough)
	}
	require.Len(t, called, n)
	for id, times := range maps.All(called) {
		require.Equal(t, 1, times, "row %d", id)
	}
}

// An object that is replaced by one of the same size in the same second is found out, although the
// cloud does not honor the condition of the request.
func TestEmulatedReplacedObjectIsFoundOut(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	const rows = 20_000
	old, replaced := strings.Repeat("{\"id\":1}\n", rows), strings.Repeat("{\"id\":2}\n", rows)
	onEachEmulator(t, func(t *testing.T, e emulator) {
		for _, honored := range []bool{true, false} {
			t.Run(fmt.Sprintf("condition honored %t", honored), func(t *testing.T) {
				lies, straight, crooked := e.bent(t)
				put(t, straight, map[string]string{"in/rows.jsonl": old})
				before, err := straight.Attributes(t.Context(), "in/rows.jsonl")
				require.NoError(t, err)
				once := sync.OnceFunc(func() { put(t, straight, map[string]string{"in/rows.jsonl": replaced}) })
				asked := false
				lies.add(bend{takes: readsOf("in/rows.jsonl"), request: func(r *http.Request) {
					for _, name := range []string{"x-goog-if-generation-match", "If-Match"} {
						asked = asked || r.Header.Get(name) != ""
						if !honored {
							r.Header.Del(name)
						}
					}
				}, answer: func(a *reply) {
					if a.status < 300 {
						once()
						a.breakAt = min(len(a.body), 50_000)
						a.header.Set("Last-Modified", before.ModTime.UTC().Format(http.TimeFormat)) // the same second
					}
				}})
				src := source.JSONLines(crooked, "in/rows.jsonl", source.JSONLinesOptions[event]{Store: e.features})
				seen := map[int]int{}
				_, err = dmap.Map(t.Context(), src, func(_ context.Context, in event) (int, error) {
					seen[in.ID]++
					return in.ID, nil
				}, dmap.Options{MaxConcurrency: 1})
				require.Error(t, err)
				require.True(t, asked, "the request has a condition")
				require.Zero(t, seen[2], "rows of the other object")
			})
		}
	})
}

// Pages of a listing that are repeated, lost or cut fail the listing, or are asked for again.
func TestEmulatedPagesThatLieAreFoundOut(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	const n = 60
	small := func(r *http.Request) { // pages of 10 keys from GCS; a request to Azure is signed: smallPages
		if query := r.URL.Query(); query.Has("maxResults") {
			query.Set("maxResults", "10")
			r.URL.RawQuery = query.Encode()
		}
	}
	for name, lie := range map[string]struct {
		bend
		right bool // the job may succeed, then with all items
	}{
		"none":                    {right: true},
		"one page is empty":       {bend: bend{first: 3, times: 1, answer: empty}, right: true},
		"one page is repeated":    {bend: bend{first: 3, times: 1}},
		"pages begin anew always": {bend: bend{first: 2}},
	} {
		onEachEmulator(t, func(t *testing.T, e emulator) {
			t.Run(name, func(t *testing.T) {
				var mu sync.Mutex
				var first []byte
				x := lie.bend
				if x.answer == nil && name != "none" {
					x.answer = func(a *reply) {
						mu.Lock()
						defer mu.Unlock()
						a.body = first
					}
				}
				rule, answer := x, x.answer
				seen := 0
				x = bend{takes: listsOf("data/"), request: small, answer: func(a *reply) {
					mu.Lock()
					if seen++; seen == 1 {
						first = bytes.Clone(a.body)
					}
					hit := answer != nil && seen >= rule.first && (rule.times == 0 || seen < rule.first+rule.times)
					mu.Unlock()
					if hit {
						answer(a)
					}
				}}
				_, straight, crooked := e.bent(t, x)
				fill(t, straight, n)
				for _, store := range []source.StoreFeatures{e.features, {}} {
					store.StartAfter = smallPages
					mu.Lock()
					seen = 0
					mu.Unlock()
					items := map[string]int{}
					_, err := dmap.Map(t.Context(), source.Objects(crooked, "data/", source.ObjectsOptions{Store: store, Listers: 1}),
						func(_ context.Context, o source.Object) (int, error) {
							items[o.Key]++
							return 0, nil
						}, dmap.Options{MaxConcurrency: 1})
					t.Logf("error: %.200v", err)
					if err == nil {
						require.Len(t, items, n)
						for key, times := range items {
							require.Equal(t, 1, times, key)
						}
					} else {
						require.False(t, lie.right, err)
						require.ErrorContains(t, err, "data/")
					}
				}
			})
		})
	}
}

// smallPages makes pages of Azure hold 10 keys.
func smallPages(as func(any) bool, _, _ string) bool {
	var options *container.ListBlobsHierarchyOptions
	if as(&options) {
		size := int32(10)
		options.MaxResults = &size
	}
	return true
}
