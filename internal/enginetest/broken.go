package enginetest

import (
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// breaks is an input of gzip objects of which two break off.
func breaks(t *testing.T, store *blob.Bucket) {
	for i, key := range []string{"in/0.jsonl.gz", "in/1.jsonl.gz", "in/2.jsonl.gz", "in/3.jsonl.gz"} {
		content := zipped(lines(`"a text of some length %d"`, 60+i))
		if i == 1 || i == 3 {
			content = content[:len(content)/2]
		}
		put(t, store, key, content)
	}
}

func flat(b *blob.Bucket) dmap.Source[string] {
	return source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[string] { return source.JSONLinesOf[string](o) })
}

// brokenObjects: objects that break off are tolerated as far as the tolerance says. The end is that
// of dmap.Map.
func brokenObjects(allowed int64) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		breaks(t, j.Store)
		j.Open = flat
		j.Call = e.slow(same)
		j.Options.Tolerance = dmap.Tolerance{BrokenObjects: allowed}
		want := j.apart()
		wanted, err := want.local(t.Context()), e.run(t, j)
		w, got := want.load(), j.load()
		if allowed >= 2 {
			must(t, wanted)
			must(t, err)
		} else {
			mustBe(t, wanted, dmap.ErrTolerance)
			mustBe(t, err, dmap.ErrTolerance)
			equal(t, "status", results.Failed, got.run.Status)
		}
		equal(t, "broken objects", int64(2), got.run.Stats.BrokenObjects)
		sameTexts(t, "successes", w.succeeded, got.succeeded)
		a, b := w.end(), got.end()
		equal(t, "unread parts", len(a.Unread.Splits), len(b.Unread.Splits))
		equal(t, "the end", a, b)
	}
}

// brokenObject is an object that breaks off alone, in its middle.
func brokenObject(t *testing.T, e Engine) {
	j := newJob(t)
	content := zipped(lines(`"a text of some length %d"`, 400))
	put(t, j.Store, "in.jsonl.gz", content[:len(content)/2])
	j.Open = func(b *blob.Bucket) dmap.Source[string] { return source.JSONLines[string](b, "in.jsonl.gz") }
	j.Call = e.slow(same)
	j.Options.Tolerance = dmap.Tolerance{BrokenObjects: 1}
	want := j.apart()
	must(t, want.local(t.Context()))
	must(t, e.run(t, j))
	w, got := want.load(), j.load()
	sameTexts(t, "successes", w.succeeded, got.succeeded)
	equal(t, "the end", w.end(), got.end())
}

// noObjects: an empty listing leaves the run open, and objects that arrive later are found.
func noObjects(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = func(b *blob.Bucket) dmap.Source[string] { return keys(source.Objects(b, "in/")) }
	j.Call = e.slow(same)
	for range 2 {
		mustBe(t, e.run(t, j), dmap.ErrNoObjects, dmap.ErrOpen)
		s := j.load()
		equal(t, "status", results.Open, s.run.Status)
		equal(t, "reason", "source", s.run.Stats.Reason)
	}
	put(t, j.Store, "in/late", nil)
	must(t, e.run(t, j))
	equal(t, "successes", map[string]string{"in/late": "in/late"}, j.load().succeeded)
}

// nothing: a source of nothing is a success, as a listing is that may be empty.
func nothing(open func(b *blob.Bucket) dmap.Source[string]) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		j.Open = open
		j.Call = e.slow(same)
		want := j.apart()
		must(t, want.local(t.Context()))
		must(t, e.run(t, j))
		equal(t, "the end", want.load().end(), j.load().end())
	}
}
