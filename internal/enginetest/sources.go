package enginetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// input is a kind of source with its input.
type input struct {
	fill func(t *testing.T, store *blob.Bucket)
	open func(b *blob.Bucket) dmap.Source[string]
}

// object is an input of one object.
func object(key string, content []byte, open func(b *blob.Bucket) dmap.Source[string]) input {
	return input{func(t *testing.T, store *blob.Bucket) { put(t, store, key, content) }, open}
}

// many is an input of n objects.
func many(n int, key string, content func(i int) []byte, open func(b *blob.Bucket) dmap.Source[string]) input {
	return input{func(t *testing.T, store *blob.Bucket) {
		for i := range n {
			put(t, store, fmt.Sprintf(key, i), content(i))
		}
	}, open}
}

// inputs are all kinds of sources.
func inputs() map[string]input {
	csv := append([]byte("a,b\n"), lines("%[1]d,x%[1]d", 300)...)
	broken := append([]byte("a,b\n1,x1\ntoo,many,fields\n"), lines("%[1]d,x%[1]d", 60)...)
	table := func(int) []byte { return append([]byte("a,b\n"), lines("%[1]d,x%[1]d", 40)...) }
	openCSV := func(key string) func(b *blob.Bucket) dmap.Source[string] {
		return func(b *blob.Bucket) dmap.Source[string] { return second(source.CSV(b, key, source.Strings)) }
	}
	list := func(b *blob.Bucket) dmap.Source[source.Object] { return source.Objects(b, "in/") }
	return map[string]input{
		"slice":   {func(*testing.T, *blob.Bucket) {}, slice(300)},
		"objects": many(250, "in/%03d", func(int) []byte { return nil }, func(b *blob.Bucket) dmap.Source[string] { return keys(list(b)) }),
		"named objects": many(60, "in/%02d", func(int) []byte { return nil }, func(b *blob.Bucket) dmap.Source[string] {
			return keys(source.Keys(b, []string{"in/03", "in/05", "in/08", "in/absent", "in/17", "in/40"}))
		}),
		"csv":          object("in.csv", csv, openCSV("in.csv")),
		"gzip":         object("in.csv.gz", zipped(csv), openCSV("in.csv.gz")),
		"a broken row": object("in.csv", broken, openCSV("in.csv")),
		"json lines": object("in.jsonl", append(lines(`"x%d"`, 200), "{\n"...), func(b *blob.Bucket) dmap.Source[string] {
			return source.JSONLines[string](b, "in.jsonl")
		}),
		"json array": object("in.json", []byte("["+strings.TrimSuffix(string(lines(`"x%d",`, 200)), ",\n")+"]"), func(b *blob.Bucket) dmap.Source[string] {
			return source.JSONArray[string](b, "in.json")
		}),
		"flatten": many(9, "in/%d.csv", table, func(b *blob.Bucket) dmap.Source[string] {
			return second(source.Flatten(list(b), func(o source.Object) dmap.Source[[]string] { return source.CSVOf(o, source.Strings) }))
		}),
		"flatten gzip": many(7, "in/%d.jsonl.gz", func(int) []byte { return zipped(lines(`"y%d"`, 30)) }, func(b *blob.Bucket) dmap.Source[string] {
			return source.Flatten(list(b), func(o source.Object) dmap.Source[string] { return source.JSONLinesOf[string](o) })
		}),
		"concat": object("in.csv", csv, func(b *blob.Bucket) dmap.Source[string] {
			return source.Concat(second(source.CSV(b, "in.csv", source.Strings)), source.Slice(values(90)))
		}),
		"filter": {func(*testing.T, *blob.Bucket) {}, func(*blob.Bucket) dmap.Source[string] {
			return source.Filter(source.Slice(values(200)), func(v string) bool { return !strings.HasSuffix(v, "1") })
		}},
	}
}

// sameResults is a case for one kind of source: the results are those of a plain loop, and the
// manifest is that of dmap.Map.
func sameResults(in input) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		in.fill(t, j.Store)
		j.Open = in.open
		j.Call = func(_ context.Context, v string) (string, error) { return outcome(v) }
		j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
		want := j.apart()
		succeeded, failed, skipped := plain(t, in.open(j.Store))
		must(t, e.run(t, j))
		got := j.load()
		sameTexts(t, "successes", succeeded, got.succeeded)
		sameFailures(t, failed, got.failed)
		equal(t, "skipped", skipped, got.run.Stats.Skipped)
		must(t, want.local(t.Context()))
		sameTexts(t, "failures", want.load().failed, got.failed)
		equal(t, "the end", want.load().end(), got.end())
	}
}

// sameFailures compares the items alone: a plain loop does not know the classes.
func sameFailures(t *testing.T, want, got map[string]string) {
	t.Helper()
	items := func(of map[string]string) map[string]string {
		out := map[string]string{}
		for id := range of {
			out[id] = ""
		}
		return out
	}
	sameTexts(t, "failures", items(want), items(got))
}

// run runs a job to the end of its run.
func (e Engine) run(t *testing.T, j *Job) error {
	t.Helper()
	r, err := e.Start(t, j)
	if err != nil {
		return err
	}
	return r.Wait()
}
