package enginetest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/source"
)

func put(t *testing.T, store *blob.Bucket, key string, content []byte) {
	t.Helper()
	must(t, publish.Create(t.Context(), store, key, "application/octet-stream", content))
}

// objects yields all keys.
func objects(ctx context.Context, store *blob.Bucket) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		list := store.List(nil)
		for {
			o, err := list.Next(ctx)
			if guard.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
			if !yield(o.Key, nil) {
				return
			}
		}
	}
}

// values are v0 to v(n-1).
func values(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("v%d", i)
	}
	return out
}

// slice is a source of n values.
func slice(n int) func(*blob.Bucket) dmap.Source[string] {
	return func(*blob.Bucket) dmap.Source[string] { return source.Slice(values(n)) }
}

func lines(format string, n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return []byte(b.String())
}

func zipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content) // a Buffer takes all
	_ = w.Close()
	return b.Bytes()
}

// second is the second field of each row.
func second(src dmap.Source[[]string]) dmap.Source[string] {
	return source.Transform(src, func(_ context.Context, row []string) (string, error) { return row[1], nil })
}

// keys are the keys of objects.
func keys(src dmap.Source[source.Object]) dmap.Source[string] {
	return source.Transform(src, func(_ context.Context, o source.Object) (string, error) { return o.Key, nil })
}

// outcome is the function of most cases, also in a plain loop.
func outcome(v string) (string, error) {
	switch {
	case strings.HasSuffix(v, "3"):
		return "", errBad
	case strings.HasSuffix(v, "7"):
		return "", dmap.ErrSkip
	default:
		return "<" + v + ">", nil
	}
}

var errBad = errors.New("bad")

// plain runs a plain loop over a source.
func plain(t *testing.T, src dmap.Source[string]) (succeeded, failed map[string]string, skipped int64) {
	t.Helper()
	succeeded, failed = map[string]string{}, map[string]string{}
	for item, err := range src.Items(t.Context()) {
		must(t, err)
		if guard.Is(item.Err, dmap.ErrSkip) {
			skipped++
			continue
		}
		if item.Err != nil {
			failed[item.ID()] = "read"
			continue
		}
		switch out, err := outcome(item.Value); {
		case err == nil:
			succeeded[item.ID()] = out
		case guard.Is(err, dmap.ErrSkip):
			skipped++
		default:
			failed[item.ID()] = "error"
		}
	}
	return succeeded, failed, skipped
}
