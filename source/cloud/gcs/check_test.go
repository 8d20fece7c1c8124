package gcs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/gcs"
	"github.com/go-dmap/dmap/source/cloud/internal/crowd"
)

const goodListing = `{"kind":"storage#objects","items":[{"name":"key","size":"1","generation":"7","updated":"2026-01-01T00:00:00Z"}]}`

func TestAnAnswerThatIsNoListingIsNotTheEnd(t *testing.T) {
	for name, body := range map[string]string{
		"empty object": `{}`, "null": `null`, "an error": `{"error":{"code":503,"message":"busy"}}`, "nothing": ``,
		"buckets": `{"kind":"storage#buckets","items":[]}`, "HTML": "<html>" + strings.Repeat("sign in", 1000),
	} {
		var n atomic.Int64
		server := crowd.NewRecorder(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if n.Add(1) == 1 {
				fmt.Fprint(w, body)
				return
			}
			fmt.Fprint(w, goodListing)
		})
		emulate(t, server.URL)
		bucket := open(t, "gs://bucket", gcs.Options{})
		found := 0
		for item, err := range source.Objects(bucket, "", source.ObjectsOptions{Store: gcs.Store(), AllowEmpty: true}).Items(t.Context()) {
			require.NoError(t, err, name)
			require.Equal(t, "key", item.Key)
			found++
		}
		require.Equal(t, 1, found, name)
		require.EqualValues(t, 2, n.Load(), name)
		server.Close()
	}
}

func TestAListingMayNameItsKindLast(t *testing.T) {
	server := crowd.NewRecorder(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"etag":%q,"items":[{"name":"key","updated":"2026-01-01T00:00:00Z"}],"kind":"storage#objects"}`, strings.Repeat("x", 2000))
	})
	defer server.Close()
	emulate(t, server.URL)
	found, err := open(t, "gs://bucket", gcs.Options{}).List(nil).Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "key", found.Key)
}

// brokenOnce serves one object, as it is stored, and breaks the first body off early.
func brokenOnce(stored []byte, encoding string, generation func(n int64) string) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/o") {
			fmt.Fprintf(w, `{"kind":"storage#objects","items":[{"name":"key","size":"%d","generation":"7","updated":"2026-01-01T00:00:00Z"}]}`, len(stored))
			return
		}
		w.Header().Set("X-Goog-Generation", generation(n.Add(1)))
		w.Header().Set("Content-Encoding", encoding)
		body, status := stored, http.StatusOK
		if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
			first, _, _ := strings.Cut(text, "-")
			from, _ := strconv.Atoi(first)
			if from >= len(stored) {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(stored)-1, len(stored)))
			body, status = stored[from:], http.StatusPartialContent
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		if n.Load() == 1 {
			_, _ = w.Write(body[:len(body)/8])
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(body)
	}
}

func TestABodyThatBreaksOffIsContinuedWithItsOwnRest(t *testing.T) {
	var text strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&text, "{\"n\":%d}\n", i*i*i)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, text.String())
	require.NoError(t, w.Close())
	same := func(int64) string { return "7" }
	for name, test := range map[string]struct {
		stored     []byte
		encoding   string
		generation func(int64) string
		fails      bool
	}{
		"plain": {[]byte(text.String()), "", same, false}, "encoded": {zipped.Bytes(), "gzip", same, false},
		"another version": {[]byte(text.String()), "", func(n int64) string { return strconv.FormatInt(6+n, 10) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := crowd.NewRecorder(brokenOnce(test.stored, test.encoding, test.generation))
			defer server.Close()
			emulate(t, server.URL)
			bucket := open(t, "gs://bucket", gcs.Options{})
			for item, err := range source.Objects(bucket, "", source.ObjectsOptions{Store: gcs.Store()}).Items(t.Context()) {
				require.NoError(t, err)
				data, err := item.Value.ReadAll(t.Context())
				if test.fails {
					require.ErrorIs(t, err, source.ErrChanged)
					return
				}
				require.NoError(t, err)
				require.True(t, text.String() == string(data), "%d bytes, want %d", len(data), text.Len())
			}
		})
	}
}
