package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// attempt is the number of the call of ctx.
func attempt(ctx context.Context) int {
	info, _ := dmap.InfoFrom(ctx)
	return info.Attempt
}

// retries: a failed item is called again, no sooner than its back-off, and no more often than it
// may be.
func retries(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(120)
	j.Options.Retry = dmap.Retry{MaxAttempts: 3, Initial: e.Tick}
	j.Options.Tolerance = dmap.Tolerance{Percentage: 20}
	j.Call = func(ctx context.Context, v string) (string, error) {
		switch {
		case strings.HasSuffix(v, "3"):
			return "", errBad
		case strings.HasSuffix(v, "5") && attempt(ctx) < 3:
			return "", dmap.RetryAfter(errBad, e.ticks(3))
		case strings.HasSuffix(v, "8"):
			return "", dmap.Permanent(errBad)
		default:
			return v, nil
		}
	}
	must(t, e.run(t, j))
	s := j.load()
	equal(t, "failures", 24, len(s.failed))
	equal(t, "retries", int64(2*24), s.run.Stats.Retries)
	j.Meter.read(func(m *Meter) {
		equal(t, "calls", s.run.Stats.Calls, int64(m.calls))
		for id, calls := range m.byItem {
			var n int
			_, _ = fmt.Sscanf(id, "item@%d", &n) // 0 if it has another form, which the next line finds
			want := map[int]int{3: 3, 5: 3}[n%10]
			equal(t, "calls of "+id, max(1, want), len(calls))
			for i := 1; i < len(calls) && n%10 == 5; i++ {
				between(t, "the back-off", e.ticks(3), calls[i].Sub(calls[i-1]), time.Hour)
			}
		}
	})
}

// throttled: an item that a server refuses for a while is called again, and this costs no attempt.
func throttled(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(60)
	var refused Meter
	refused.byItem = map[string][]time.Time{}
	j.Call = func(ctx context.Context, v string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		if strings.HasSuffix(v, "3") && info.Attempt < 3 {
			refused.begin(info.ID())()
			return "", dmap.Throttled(errors.New("slow down"), e.Tick)
		}
		return v, nil
	}
	must(t, e.run(t, j))
	s := j.load()
	equal(t, "successes", 60, len(s.succeeded))
	n, _ := refused.count()
	equal(t, "refused calls", 12, n)
	equal(t, "retries", int64(12), s.run.Stats.Retries)
}

// batches: an error fails the items that it names, and only those are called again.
func batches(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(240)
	j.Limits = batch.Limits{Items: 7}
	j.Options.Retry = dmap.Retry{MaxAttempts: 2, Initial: e.Tick}
	j.Options.Tolerance = dmap.Tolerance{Percentage: 20}
	j.Batch = func(ctx context.Context, in []dmap.Item[string]) ([]string, error) {
		isTrue(t, len(in) <= 7, "a batch has %d items", len(in))
		out, errs := make([]string, len(in)), batch.Errors{}
		for i := range in {
			out[i] = "<" + in[i].Value + ">"
			if last := in[i].Value[len(in[i].Value)-1]; last == '3' || last == '5' && attempt(ctx) == 1 {
				errs[i] = errBad
			}
		}
		if len(errs) > 0 {
			return out, errs
		}
		return out, nil
	}
	must(t, e.run(t, j))
	s := j.load()
	equal(t, "failures", 24, len(s.failed))
	equal(t, "successes", 216, len(s.succeeded))
	j.Meter.read(func(m *Meter) {
		for id, calls := range m.byItem {
			digit := id[len(id)-1]
			want := 1
			if digit == '3' || digit == '5' {
				want = 2
			}
			equal(t, "calls of "+id, want, len(calls))
		}
	})
}

// panics: a panic and the end of a goroutine fail their item alone.
func panics(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(50)
	j.Options.Tolerance = dmap.Tolerance{Count: 10}
	j.Call = func(_ context.Context, v string) (string, error) {
		if strings.HasSuffix(v, "3") {
			panic("no value " + v)
		}
		return v, nil
	}
	must(t, e.run(t, j))
	s := j.load()
	equal(t, "failures", 5, len(s.failed))
	for id, class := range s.failed {
		equal(t, "the class of "+id, "panic", class)
	}
}
