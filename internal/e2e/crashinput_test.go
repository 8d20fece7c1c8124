package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// smallObjectRows is the number of rows of each object that the input "flatten" has.
const smallObjectRows = 4

// formInput is an input of the crash programme: the numbers from 0 to n-1 under a prefix.
type formInput struct {
	kind string
	n    int
	size int // bytes of the object, if it is large
}

func (in formInput) prefix() string {
	return fmt.Sprintf("in/%s-%d/", strings.NewReplacer(" ", "-", ".", "").Replace(in.kind), in.n)
}

// parts are the sources of a concat, which share its numbers.
func (in formInput) parts() []formInput {
	kinds := []string{"flatten", "large csv", "slice", "csv.gz", "jsonlines"}
	var parts []formInput
	for i, kind := range kinds {
		parts = append(parts, formInput{kind, in.n*(i+1)/len(kinds) - in.n*i/len(kinds), in.size})
	}
	return parts
}

// source returns the source of the numbers.
func (in formInput) source(b *blob.Bucket) dmap.Source[number] {
	key := in.prefix() + "numbers"
	lines := func(o source.Object) dmap.Source[number] { return source.JSONLinesOf[number](o) }
	switch in.kind {
	case "csv", "large csv":
		return source.CSV(b, key+".csv", source.Into[number])
	case "csv.gz":
		return source.CSV(b, key+".csv.gz", source.Into[number])
	case "jsonlines", "large jsonlines":
		return source.JSONLines[number](b, key+".jsonl")
	case "flatten", "flatten .gz":
		return source.Flatten(source.Objects(b, in.prefix()), lines)
	case "objects":
		return source.Transform(source.Objects(b, in.prefix()), func(_ context.Context, o source.Object) (n number, err error) {
			_, err = fmt.Sscanf(path.Base(o.Key), "%d.json", &n.N)
			return n, err
		})
	case "concat":
		var all []dmap.Source[number]
		first := 0
		for _, part := range in.parts() {
			base := first
			all = append(all, source.Transform(part.source(b), func(_ context.Context, n number) (number, error) { return number{n.N + base}, nil }))
			first += part.n
		}
		return source.Concat(all...)
	default: // slice, seq
		return crashSource(b, in.kind, in.n)
	}
}

// write writes the objects of the input.
func (in formInput) write(t *testing.T, b *blob.Bucket) {
	t.Helper()
	w := inputWriter{objects: make(chan inputObject)}
	var uploads sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		uploads.Go(func() {
			for o := range w.objects {
				errs[i] = errors.Join(errs[i], b.WriteAll(t.Context(), o.key, o.content, nil))
			}
		})
	}
	w.write(in)
	close(w.objects)
	uploads.Wait()
	require.NoError(t, errors.Join(errs...))
}

type inputObject struct {
	key     string
	content []byte
}

type inputWriter struct{ objects chan inputObject }

func (w *inputWriter) write(in formInput) {
	key := in.prefix() + "numbers"
	switch in.kind {
	case "csv":
		w.put(key+".csv", csvRows(in.n, 10))
	case "large csv":
		w.put(key+".csv", csvRows(in.n, in.size/in.n))
	case "csv.gz":
		w.put(key+".csv.gz", compress(csvRows(in.n, 200)))
	case "jsonlines":
		w.put(key+".jsonl", jsonRows(0, in.n, 10))
	case "large jsonlines":
		w.put(key+".jsonl", jsonRows(0, in.n, in.size/in.n))
	case "flatten":
		for i := 0; i < in.n; i += smallObjectRows {
			w.put(fmt.Sprintf("%s%07d.jsonl", in.prefix(), i), jsonRows(i, min(in.n, i+smallObjectRows), i%13))
		}
	case "flatten .gz":
		each := max(1, in.n/40)
		for i := 0; i < in.n; i += each {
			w.put(fmt.Sprintf("%s%07d.jsonl.gz", in.prefix(), i), compress(jsonRows(i, min(in.n, i+each), 200)))
		}
	case "objects":
		for i := range in.n {
			w.put(fmt.Sprintf("%s%07d.json", in.prefix(), i), []byte("{}"))
		}
	case "concat":
		for _, part := range in.parts() {
			w.write(part)
		}
	}
}

func (w *inputWriter) put(key string, content []byte) { w.objects <- inputObject{key, content} }

// csvRows returns the numbers below n as rows of about size bytes, with line ends inside quotes.
func csvRows(n, size int) []byte {
	text := strings.Repeat("x", size)
	var rows bytes.Buffer
	rows.WriteString("N,Comment\n")
	for i := range n {
		fmt.Fprintf(&rows, "%d,\"%s\n\"\n", i, text)
	}
	return rows.Bytes()
}

// jsonRows returns the numbers from first to end-1 as lines of about size bytes.
func jsonRows(first, end, size int) []byte {
	text := strings.Repeat("x", size)
	var rows bytes.Buffer
	for i := first; i < end; i++ {
		fmt.Fprintf(&rows, "{\"n\":%d,\"comment\":%q}\n", i, text)
	}
	return rows.Bytes()
}

func compress(content []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(content) // a Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
