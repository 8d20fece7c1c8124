package enginetest

import (
	"strconv"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// firstOnly fails unless the successes are the first n values of a source, in its order.
func firstOnly(t *testing.T, j *Job, n int) {
	t.Helper()
	want := map[string]string{}
	for item, err := range j.Open(j.Store).Items(t.Context()) {
		must(t, err)
		if item.Err == nil && len(want) < n {
			want[item.ID()] = item.Value
		}
	}
	s := j.load()
	sameTexts(t, "successes", want, s.succeeded)
	isTrue(t, s.run.Stats.Truncated, "the run is truncated")
	equal(t, "reason", "max items", s.run.Stats.Reason)
}

// begun runs a job with MaxItems in many processes: budgets end them, and in between dmap.Map
// continues. The result is exactly the first items.
func begun(t *testing.T, e Engine, j *Job, n int64) {
	j.Call = e.slow(same)
	j.Options.MaxItems = n
	j.Options.Budget.Calls = 30
	mustBe(t, e.run(t, j), dmap.ErrBudget)
	mustBe(t, j.local(t.Context()), dmap.ErrBudget)
	j.Options.Budget = dmap.Budget{}
	must(t, e.run(t, j))
	firstOnly(t, j, int(n))
	calls, _ := j.Meter.count()
	equal(t, "calls", int(n), calls)
}

// maxItemsLater: a run with MaxItems that was begun is continued.
func maxItemsLater(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(300)
	begun(t, e, j, 100)
}

func maxItemsOfAListing(t *testing.T, e Engine) {
	j := newJob(t)
	inputs()["objects"].fill(t, j.Store)
	j.Open = inputs()["objects"].open
	begun(t, e, j, 130)
}

// maxItemsAfterSkipped: pieces of the source may have no item that counts.
func maxItemsAfterSkipped(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = func(*blob.Bucket) dmap.Source[string] {
		return source.Filter(source.Slice(values(30_000)), func(v string) bool {
			n, err := strconv.Atoi(strings.TrimPrefix(v, "v"))
			return err == nil && (n < 20 || n > 29_900)
		})
	}
	j.Call = e.slow(same)
	j.Options.MaxItems = 60
	must(t, e.run(t, j))
	firstOnly(t, j, 60)
}

// maxItemsOfARedrive: items that a redrive takes count once.
func maxItemsOfARedrive(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(300)
	j.Call = e.slow(everyFifth)
	j.Options.MaxItems = 120
	j.Options.Tolerance = dmap.Tolerance{Count: 5}
	mustBe(t, e.run(t, j), dmap.ErrTolerance)
	j.Call = e.slow(same)
	j.Options.Redrive = dmap.Redrive{Max: 1}
	must(t, e.run(t, j))
	firstOnly(t, j, 120)
	equal(t, "read", int64(120), j.load().run.Stats.Read)
}
