package enginetest

import (
	"fmt"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// mended: objects that broke off are mended, and a redrive reads their rests, also if all its
// processes die meanwhile. Failed items before the break run again.
func mended(open func(b *blob.Bucket) dmap.Source[string], keys ...string) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		whole := map[string][]byte{}
		for i, key := range keys {
			whole[key] = zipped(lines(`"a text of some length %d"`, 200+40*i))
			content := whole[key]
			if i%2 == 0 {
				content = content[:len(content)/2]
			}
			put(t, j.Store, key, content)
		}
		j.Open = open
		j.Call = e.slow(outcome)
		j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
		mustBe(t, e.run(t, j), dmap.ErrTolerance)
		before := j.load()
		equal(t, "broken objects", int64((len(keys)+1)/2), before.run.Stats.BrokenObjects)
		isTrue(t, len(before.failed) > 0, "no item has failed")

		for i := 0; i < len(keys); i += 2 {
			must(t, j.Store.Delete(t.Context(), keys[i]))
			put(t, j.Store, keys[i], whole[keys[i]])
		}
		j.Call = e.slow(func(v string) (string, error) { return "<" + v + ">", nil })
		j.Options.Redrive = dmap.Redrive{Max: 1}
		if !e.Real {
			for _, at := range []int64{4, 19, 44} {
				_ = e.dies(t, j, at)
			}
		}
		r, err := e.Start(t, j)
		must(t, err)
		calls, _ := j.Meter.count()
		j.await(e, "calls", func(now, _ int) bool { return now > calls+20 })
		r.Kill()
		_ = r.Wait()
		must(t, e.run(t, j))
		s := j.load()
		equal(t, "status", results.Succeeded, s.run.Status)
		equal(t, "redrives", 1, s.run.Stats.Redrives)
		equal(t, "broken objects", int64(0), s.run.Stats.BrokenObjects)
		var skipped int64
		for item, err := range open(j.Store).Items(t.Context()) {
			must(t, err)
			got, ok := s.succeeded[item.ID()]
			if _, err := outcome(item.Value); !ok && err == dmap.ErrSkip {
				skipped++ // before the break
				continue
			}
			equal(t, "item "+item.ID(), "<"+item.Value+">", got)
		}
		equal(t, "skipped", skipped, s.run.Stats.Skipped)
	}
}

// changedSince: an object that breaks off and has other content before the break, or that changed
// after a run was ended, is not read on.
func changedSince(t *testing.T, e Engine) {
	j := newJob(t)
	whole := zipped(lines(`"a text of some length %d"`, 200))
	put(t, j.Store, "in.jsonl.gz", whole[:len(whole)/2])
	j.Open = single
	j.Call = e.slow(same)
	mustBe(t, e.run(t, j), dmap.ErrTolerance)
	before := j.load()
	must(t, j.Store.Delete(t.Context(), "in.jsonl.gz"))
	put(t, j.Store, "in.jsonl.gz", zipped(lines(`"another text of some length %d"`, 300)))
	j.Options.Redrive = dmap.Redrive{Max: 1}
	err := e.run(t, j)
	if e.Machines > 1 { // dmap.Map ends the run
		isTrue(t, err != nil, "a mixture of two versions has succeeded")
		err = j.local(t.Context())
	}
	mustBe(t, err, dmap.ErrTolerance)
	s := j.load()
	equal(t, "successes", before.succeeded, s.succeeded)
	equal(t, "broken objects", int64(1), s.run.Stats.BrokenObjects)
	equal(t, "redrives", 1, s.run.Stats.Redrives)
	isTrue(t, len(s.run.Broken) == 1 && len(s.run.Unread.Splits) == 1, "the end is %s", fmt.Sprint(s.run.Broken, s.run.Unread))
}

func single(b *blob.Bucket) dmap.Source[string] {
	return source.JSONLines[string](b, "in.jsonl.gz")
}

// partlyRead: several large objects of which a part was read, which machines share in parts, are
// read on by the engine.
func partlyRead(t *testing.T, e Engine) {
	j := newJob(t)
	const objects, rows = 3, 60
	for i := range objects {
		put(t, j.Store, fmt.Sprintf("in/%d.jsonl", i), lines(`"`+strings.Repeat("x", 20<<10)+` %d"`, rows))
	}
	j.Open = func(b *blob.Bucket) dmap.Source[string] {
		return source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[string] { return source.JSONLinesOf[string](o) })
	}
	j.Call = e.slow(func(v string) (string, error) { return v[len(v)-2:], nil })
	j.Options.Budget.Calls = 50
	mustBe(t, j.local(t.Context()), dmap.ErrBudget)
	j.Options.Budget = dmap.Budget{Calls: 40}
	mustBe(t, e.run(t, j), dmap.ErrBudget)
	j.Options.Budget = dmap.Budget{}
	must(t, e.run(t, j))
	equal(t, "successes", objects*rows, len(j.load().succeeded))
}
