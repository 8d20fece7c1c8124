package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

// The store of the lies: one bucket of an S3 server in this process, whose answers a bender bends.

const liesBucket = "lies"

// bentStore returns the handler of a server with the objects of all sources of the matrix.
func bentStore(t *testing.T) http.Handler {
	t.Helper()
	clock := gofakes3.FixedTimeSource(time.Now().Truncate(time.Second).Add(300 * time.Millisecond))
	backend := s3mem.New(s3mem.WithTimeSource(clock))
	require.NoError(t, backend.CreateBucket(liesBucket))
	store := &createOnly{Handler: gofakes3.New(backend, gofakes3.WithTimeSource(clock)).Server()}
	for key, content := range liesObjects() {
		r := httptest.NewRequest(http.MethodPut, "/"+liesBucket+"/"+key, strings.NewReader(content))
		r.Header.Set("Content-Length", fmt.Sprint(len(content)))
		if strings.HasPrefix(key, "packed") {
			r.Header.Set("Content-Encoding", "gzip")
		}
		got := httptest.NewRecorder()
		store.ServeHTTP(got, r)
		require.Equal(t, http.StatusOK, got.Code, "%s: %s", key, got.Body)
	}
	return store
}

const (
	liesKeys = 2600
	liesRows = 3000
)

func liesObjects() map[string]string {
	objects := map[string]string{"rows.jsonl": lieRows(0, liesRows), "packed.jsonl": packed(lieRows(0, liesRows))}
	for i := range liesKeys {
		objects[fmt.Sprintf("keys/%05d", i)] = "x"
	}
	for i := range 5 {
		objects[fmt.Sprintf("files/%d", i)] = lieRows(1000*i, 700)
		objects[fmt.Sprintf("flat/%d.jsonl", i)] = lieRows(600*i, 600)
	}
	var csv, array strings.Builder
	csv.WriteString("n,text\n")
	for i := range liesRows {
		fmt.Fprintf(&csv, "%d,row number %07d\n", i, i)
		array.WriteString([]string{",\n", "["}[min(1, max(0, 1-i))] + fmt.Sprint(i))
	}
	array.WriteString("]")
	objects["rows.csv"], objects["rows.json"] = csv.String(), array.String()
	return objects
}

func lieRows(from, n int) string {
	var rows strings.Builder
	for i := range n {
		fmt.Fprintf(&rows, "{\"n\":%d,\"text\":\"row number %07d\"}\n", from+i, from+i)
	}
	return rows.String()
}

func packed(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

// lie is a set of bends, and what makes the matrix smaller.
type lie struct {
	name  string
	of    string // "list" or "read": the sources that it can meet
	bends func() []bend
	// mends says that every source must read the right items: the lie passes, or is no lie.
	mends bool
	slow  bool   // ends when all attempts have waited in real time
	needs string // "Store": only a source that knows its store can find it out
}

// meets reports whether a source can meet the lie.
func (l lie) meets(src bentSource) bool {
	return slices.ContainsFunc(strings.Fields(l.of), func(of string) bool { return strings.Contains(src.of, of) })
}

func listings(r *http.Request) bool { return r.URL.Query().Get("list-type") == "2" }

func gets(r *http.Request) bool { return r.Method == http.MethodGet && !listings(r) }

func reads(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !listings(r)
}

func one(b bend) func() []bend { return func() []bend { return []bend{b} } }

// replaced replaces text in the body.
func replaced(old, with string) func(*reply) {
	return func(a *reply) { a.body = bytes.ReplaceAll(a.body, []byte(old), []byte(with)) }
}

// cut removes the element of that name from a listing, with its content.
func cut(body []byte, name string) []byte {
	before, rest, ok := bytes.Cut(body, []byte("<"+name+">"))
	_, after, ok2 := bytes.Cut(rest, []byte("</"+name+">"))
	if !ok || !ok2 {
		return body
	}
	return slices.Concat(before, after)
}

// contents returns the objects of a listing, and what precedes and follows them.
func contents(body []byte) (before []byte, objects [][]byte, after []byte) {
	i, j := bytes.Index(body, []byte("<Contents>")), bytes.LastIndex(body, []byte("</Contents>"))
	if i < 0 {
		return body, nil, nil
	}
	j += len("</Contents>")
	return body[:i], bytes.SplitAfter(body[i:j], []byte("</Contents>"))[:bytes.Count(body[i:j], []byte("</Contents>"))], body[j:]
}

// reorder changes the objects of a listing.
func reorder(change func(objects [][]byte) [][]byte) func(*reply) {
	return func(a *reply) {
		before, objects, after := contents(a.body)
		if len(objects) > 3 {
			a.body = slices.Concat(before, slices.Concat(change(slices.Clone(objects))...), after)
		}
	}
}

// firstAnswer repeats the first answer.
func firstAnswer() func(*reply) {
	var mu sync.Mutex
	var first []byte
	return func(a *reply) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = bytes.Clone(a.body)
		}
		a.body = bytes.Clone(first)
	}
}

func header(name string, change func(string) string) func(*reply) {
	return func(a *reply) {
		if v := a.header.Get(name); v != "" {
			a.header.Set(name, change(v))
		}
	}
}

func aSecondLater(v string) string {
	at, err := http.ParseTime(v)
	if err != nil {
		return v
	}
	return at.Add(time.Second).Format(http.TimeFormat)
}

func noRange(r *http.Request) { r.Header.Del("Range") }

// unpacked undoes the encoding of an object, of which it ignores the range.
func unpacked(sized bool) func(*reply) {
	return func(a *reply) {
		if a.header.Get("Content-Encoding") != "gzip" || a.request.Method == http.MethodHead {
			return
		}
		r, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			return
		}
		a.body, _ = io.ReadAll(r)
		a.unsized = !sized
	}
}

func lies() []lie {
	none := func(a *reply) { a.body = nil }
	return []lie{
		{name: "none", of: "list read", bends: func() []bend { return nil }, mends: true},

		{name: "one listing is empty", of: "list", bends: one(bend{takes: listings, first: 2, times: 1, answer: none}), mends: true},
		{name: "all but the first listing are empty", of: "list", bends: one(bend{takes: listings, first: 2, answer: none}), slow: true},
		{name: "no listing has a token", of: "list", bends: one(bend{takes: listings, answer: func(a *reply) { a.body = cut(a.body, "NextContinuationToken") }}), slow: true},
		{name: "no token, not truncated", of: "list", bends: one(bend{takes: listings, answer: func(a *reply) {
			a.body = bytes.ReplaceAll(cut(a.body, "NextContinuationToken"), []byte("<IsTruncated>true<"), []byte("<IsTruncated>false<"))
		}})},
		{name: "the first listing is repeated", of: "list", bends: func() []bend { return []bend{{takes: listings, answer: firstAnswer()}} }},
		{name: "a key is repeated", of: "list", bends: one(bend{takes: listings, first: 2, answer: reorder(func(o [][]byte) [][]byte { return append(o, o[len(o)-1]) })})},
		{name: "a key comes again later", of: "list", bends: one(bend{takes: listings, first: 2, answer: reorder(func(o [][]byte) [][]byte { return append(o, o[1]) })})},
		{name: "two keys out of order", of: "list", bends: one(bend{takes: listings, first: 2, answer: reorder(func(o [][]byte) [][]byte { o[0], o[2] = o[2], o[0]; return o })})},
		{name: "another prefix", of: "list", bends: one(bend{takes: listings, answer: replaced("<Key>keys/00001", "<Key>kexs/00001")}), slow: true},
		{name: "another root element", of: "list", bends: one(bend{takes: listings, answer: replaced("ListBucketResult", "ListAllMyBucketsResult")}), slow: true},
		{name: "half a document", of: "list", bends: one(bend{takes: listings, first: 2, times: 1, answer: func(a *reply) { a.body = a.body[:len(a.body)/2] }}), mends: true},
		{name: "no times", of: "list", bends: one(bend{takes: listings, answer: func(a *reply) { a.body = cut(a.body, "LastModified") }}), slow: true},
		{name: "no sizes", of: "list", bends: one(bend{takes: listings, answer: reorder(func(o [][]byte) [][]byte {
			for i := range o {
				o[i] = cut(o[i], "Size")
			}
			return o
		})}), mends: true},
		{name: "listings are busy", of: "list", bends: one(bend{takes: listings, answer: refuse(503, "SlowDown")}), slow: true},
		{name: "listings are refused", of: "list", bends: one(bend{takes: listings, answer: refuse(403, "AccessDenied")})},
		{name: "listings never answer", of: "list", bends: one(bend{takes: listings, silent: true}), slow: true},

		{name: "ranges are ignored", of: "read", bends: one(bend{takes: gets, request: noRange}), mends: true},
		{name: "a reset, then ranges are ignored", of: "read", bends: func() []bend {
			return []bend{
				{takes: gets, first: 1, times: 1, answer: func(a *reply) { a.breakAt = len(a.body) / 2 }},
				{takes: gets, request: noRange},
			}
		}, mends: true},
		{name: "resets without end", of: "read", bends: one(bend{takes: gets, answer: func(a *reply) { a.breakAt = min(len(a.body), 100) }}), slow: true},
		{name: "no length", of: "read", bends: one(bend{takes: reads, answer: func(a *reply) { a.unsized = true }}), mends: true},
		{name: "no size in Content-Range", of: "read", bends: func() []bend {
			star := header("Content-Range", func(v string) string { return v[:strings.Index(v, "/")] + "/*" })
			return []bend{
				{takes: gets, first: 1, times: 1, answer: func(a *reply) { star(a); a.breakAt = len(a.body) / 2 }},
				{takes: gets, answer: star},
			}
		}, mends: true},
		{name: "half a body with its length", of: "read", bends: one(bend{takes: gets, answer: func(a *reply) { a.body = a.body[:len(a.body)/2] }})},
		{name: "ETags are weak", of: "read", bends: one(bend{takes: reads, answer: header("ETag", func(v string) string { return "W/" + v })}), mends: true},
		{name: "ETags have no quotes", of: "read", bends: one(bend{takes: reads, answer: header("ETag", func(v string) string { return strings.Trim(v, `"`) })}), mends: true},
		{name: "times are rounded up", of: "read", bends: one(bend{takes: reads, answer: header("Last-Modified", aSecondLater)}), mends: true},
		{name: "encodings are undone", of: "read packed", bends: func() []bend {
			return []bend{{takes: gets, request: noRange, answer: unpacked(true)}}
		}, mends: true},
		{name: "encodings are undone, no length", of: "read packed", bends: func() []bend {
			return []bend{{takes: gets, request: noRange, answer: unpacked(false)}}
		}, mends: true},
		{name: "reads are busy", of: "read", bends: one(bend{takes: reads, answer: refuse(503, "SlowDown")}), slow: true},
		{name: "reads are refused", of: "read", bends: one(bend{takes: reads, answer: refuse(403, "AccessDenied")})},
		{name: "reads never answer", of: "read", bends: one(bend{takes: reads, silent: true}), slow: true},
	}
}

// bentSource is a source of the matrix: it returns the items that the function got.
type bentSource struct {
	name string
	of   string
	want func() []string
	run  func(ctx context.Context, b *blob.Bucket) ([]string, error)
}

const liesStall = 5 * time.Second

// mapped runs a durable map in memory and returns the outputs of the calls that succeeded, sorted.
func mapped[T any](ctx context.Context, src dmap.Source[T], fn func(context.Context, T) (string, error)) ([]string, error) {
	var mu sync.Mutex
	var got []string
	_, err := dmap.Map(ctx, src, func(ctx context.Context, in T) (string, error) {
		out, err := fn(ctx, in)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, out)
		}
		return out, err
	}, dmap.Options{MaxConcurrency: 8, DrainTimeout: time.Second, Retry: dmap.Retry{ThrottledFor: -1}})
	slices.Sort(got)
	return got, err
}

type bentRow struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func rowText(_ context.Context, r bentRow) (string, error) { return fmt.Sprint(r.N, " ", r.Text), nil }

func rowTexts() (want []string) {
	for i := range liesRows {
		want = append(want, fmt.Sprintf("%d row number %07d", i, i))
	}
	slices.Sort(want)
	return want
}

func digest(data []byte) string { return fmt.Sprintf("%d bytes, %x", len(data), sha256.Sum256(data)) }

// bentStoreKind is a store as the options of a source describe it.
type bentStoreKind struct {
	name     string
	features source.StoreFeatures
}

func bentSources() []bentSource {
	return bentSourcesOf(bentStoreKind{}, bentStoreKind{", s3.Store", s3.Store()})
}

func bentSourcesOf(kinds ...bentStoreKind) []bentSource {
	keyOf := func(_ context.Context, o source.Object) (string, error) { return o.Key, nil }
	allKeys := func() (want []string) {
		for i := range liesKeys {
			want = append(want, fmt.Sprintf("keys/%05d", i))
		}
		return want
	}
	files := func() (want []string) {
		for i := range 5 {
			want = append(want, fmt.Sprintf("files/%d ", i)+digest([]byte(lieRows(1000*i, 700))))
		}
		return want
	}
	readAll := func(ctx context.Context, o source.Object) (string, error) {
		data, err := o.ReadAll(ctx)
		return o.Key + " " + digest(data), err
	}
	stream := func(ctx context.Context, o source.Object) (string, error) {
		r, err := o.Open(ctx)
		if err != nil {
			return "", err
		}
		defer r.Close()
		var data bytes.Buffer
		_, err = io.CopyBuffer(&data, struct{ io.Reader }{r}, make([]byte, 777))
		return o.Key + " " + digest(data.Bytes()), err
	}
	var all []bentSource
	for _, store := range kinds {
		objects := source.ObjectsOptions{Store: store.features, StallTimeout: liesStall}
		one := objects
		one.Listers = 1
		lines := source.JSONLinesOptions[bentRow]{Store: store.features, StallTimeout: liesStall}
		flat := func(o source.Object) dmap.Source[bentRow] { return source.JSONLinesOf[bentRow](o) }
		all = append(all,
			bentSource{"Objects, 1 lister" + store.name, "list", allKeys, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.Objects(b, "keys/", one), keyOf)
			}},
			bentSource{"Objects, 32 listers" + store.name, "list", allKeys, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.Objects(b, "keys/", objects), keyOf)
			}},
			bentSource{"Objects, ReadAll" + store.name, "read", files, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.Objects(b, "files/", objects), readAll)
			}},
			bentSource{"Objects, Open" + store.name, "read", files, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.Objects(b, "files/", objects), stream)
			}},
			bentSource{"Keys, ReadAll" + store.name, "read", files, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.Keys(b, []string{"files/0", "files/1", "files/2", "files/3", "files/4"}, objects), readAll)
			}},
			bentSource{"JSON lines" + store.name, "read", rowTexts, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.JSONLines(b, "rows.jsonl", lines), rowText)
			}},
			bentSource{"JSON lines, resumed" + store.name, "read", rowTexts, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return resumedRows(ctx, source.JSONLines(b, "rows.jsonl", lines))
			}},
			bentSource{"JSON lines, gzip, resumed" + store.name, "packed", rowTexts, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return resumedRows(ctx, source.JSONLines(b, "packed.jsonl", lines))
			}},
			bentSource{"CSV" + store.name, "read", rowTexts, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.CSV(b, "rows.csv", source.Strings, source.CSVOptions{Store: store.features, StallTimeout: liesStall}),
					func(_ context.Context, row []string) (string, error) { return strings.Join(row, " "), nil })
			}},
			bentSource{"JSON array" + store.name, "read", func() (want []string) {
				for i := range liesRows {
					want = append(want, fmt.Sprint(i))
				}
				slices.Sort(want)
				return want
			}, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				options := source.JSONArrayOptions[int]{Store: store.features, StallTimeout: liesStall}
				return mapped(ctx, source.JSONArray(b, "rows.json", options), func(_ context.Context, n int) (string, error) { return fmt.Sprint(n), nil })
			}},
			bentSource{"Flatten" + store.name, "read", rowTexts, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return mapped(ctx, source.Flatten(source.Objects(b, "flat/", objects), flat), rowText)
			}},
			bentSource{"Flatten, resumed" + store.name, "read", rowTexts, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return resumedRows(ctx, source.Flatten(source.Objects(b, "flat/", objects), flat))
			}},
			bentSource{"redrive" + store.name, "read", rowTexts, func(ctx context.Context, b *blob.Bucket) ([]string, error) {
				return redrivenRows(ctx, source.JSONLines(b, "rows.jsonl", lines))
			}},
		)
	}
	return all
}

// resumedRows suspends a durable run in the middle and resumes it: the rest is read by offset.
func resumedRows(ctx context.Context, src dmap.Source[bentRow]) ([]string, error) {
	results := memResults()
	defer func() { _ = results.Close() }()
	var mu sync.Mutex
	var got []string
	run := func(most int) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		_, err := dmap.Map(ctx, src, func(ctx context.Context, r bentRow) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			text, _ := rowText(ctx, r)
			if got = append(got, text); len(got) == most {
				cancel(dmap.ErrSuspended)
			}
			return text, nil
		}, dmap.Options{RunID: "run", MaxConcurrency: 2}, sink.Bucket[string](results, ""))
		return err
	}
	err := run(liesRows / 2)
	if errors.Is(err, dmap.ErrSuspended) {
		err = run(0)
	}
	slices.Sort(got)
	return got, err
}

// redrivenRows fails every seventh row of a run and redrives these: they are read by offset.
func redrivenRows(ctx context.Context, src dmap.Source[bentRow]) ([]string, error) {
	results := memResults()
	defer func() { _ = results.Close() }()
	var mu sync.Mutex
	var got []string
	mended := false
	run := func(redrive dmap.Redrive) error {
		_, err := dmap.Map(ctx, src, func(ctx context.Context, r bentRow) (string, error) {
			if r.N%7 == 0 && !mended {
				return "", errors.New("not yet")
			}
			mu.Lock()
			defer mu.Unlock()
			text, _ := rowText(ctx, r)
			got = append(got, text)
			return text, nil
		}, dmap.Options{RunID: "run", MaxConcurrency: 4, Tolerance: dmap.Tolerance{Count: liesRows / 3}, Redrive: redrive}, sink.Bucket[string](results, ""))
		return err
	}
	err := run(dmap.Redrive{})
	if err == nil {
		mended = true
		err = run(dmap.Redrive{Max: 1, Tolerated: true})
	}
	slices.Sort(got)
	return got, err
}

func memResults() *blob.Bucket {
	b, err := blob.OpenBucket(context.Background(), "mem://")
	if err != nil {
		panic(err)
	}
	return b
}

// liesLimit is the longest time that an operation on a store may take, whatever the store does: the
// limits of package transient.
const liesLimit = 3 * time.Minute

// TestAStoreThatLiesGivesTheRightItemsOrAnError runs each source over each lie. `make lies` prints
// the matrix, of which make test leaves out the lies that take long.
func TestAStoreThatLiesGivesTheRightItemsOrAnError(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	store := bentStore(t)
	table := &lieTable{cells: map[string]map[string]string{}}
	t.Run("lies", func(t *testing.T) {
		for _, l := range lies() {
			if l.slow && os.Getenv("DMAP_LIES") == "" {
				continue
			}
			for _, src := range bentSources() {
				if !l.meets(src) {
					continue
				}
				t.Run(l.name+"/"+src.name, func(t *testing.T) {
					t.Parallel()
					table.add(l.name, src.name, outcome(t, store, l, src))
				})
			}
		}
	})
	if os.Getenv("DMAP_LIES") != "" {
		table.print(t)
	}
}

// outcome runs a source over a lie and says what came of it.
func outcome(t *testing.T, store http.Handler, l lie, src bentSource) string {
	_, address := newBender(t, store, l.bends()...)
	bucket := openS3(t, address, liesBucket)
	ctx, cancel := context.WithTimeout(t.Context(), 2*liesLimit)
	defer cancel()
	begin := time.Now()
	got, err := src.run(ctx, bucket)
	took := time.Since(begin)
	require.Less(t, took, liesLimit, "%v", err)
	want := src.want()
	if err == nil {
		require.Len(t, got, len(want), "success with other items")
		require.True(t, slices.Equal(want, got), "success with other items")
		return fmt.Sprintf("right %.1fs", took.Seconds())
	}
	require.False(t, l.mends, "%v", err)
	var broken *dmap.SourceError
	var tolerance *dmap.ToleranceError
	var object *dmap.BrokenObjectError
	kind := ""
	switch {
	case errors.As(err, &tolerance):
		kind = "items fail"
	case errors.As(err, &broken):
		kind = "source error"
	case errors.As(err, &object):
		kind = "broken object"
	default:
		require.Fail(t, "untyped error", "%v", err)
	}
	return fmt.Sprintf("%s %.1fs: %s", kind, took.Seconds(), lastWords(err))
}

// lastWords returns the end of an error, which says what the store did.
func lastWords(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	return "…" + text[max(0, len(text)-70):]
}

// lieTable collects the outcomes.
type lieTable struct {
	mu    sync.Mutex
	cells map[string]map[string]string // by lie and source
}

func (l *lieTable) add(lie, src, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cells[lie] == nil {
		l.cells[lie] = map[string]string{}
	}
	l.cells[lie][src] = outcome
}

func (l *lieTable) print(t *testing.T) {
	var out strings.Builder
	for _, each := range lies() {
		fmt.Fprintf(&out, "\n%s\n", each.name)
		for _, src := range bentSources() {
			if cell := l.cells[each.name][src.name]; cell != "" {
				fmt.Fprintf(&out, "  %-36s %s\n", src.name, cell)
			}
		}
	}
	t.Log(out.String())
}
