package dmapweb

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"regexp"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// item is the answer of /item: all that is stored about an item.
type item struct {
	failure
	Kind    string         `json:"kind"` // SUCCEEDED, FAILED, PENDING or HELD
	Stack   string         `json:"stack,omitempty"`
	Version string         `json:"version,omitempty"` // of the object
	Input   *value         `json:"input,omitempty"`
	Output  *value         `json:"output,omitempty"`
	Reason  string         `json:"reason,omitempty"` // why it is held
	Decided *dmap.Decision `json:"decision,omitempty"`
}

// value is an input or an output.
type value struct {
	Text    string `json:"text,omitempty"`
	Omitted int    `json:"omitted,omitempty"` // bytes that are not in Text
	Why     string `json:"why,omitempty"`     // there is no Text
}

var tokenPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// itemTime bounds the search for an item.
const itemTime = 10 * time.Second

func (p *site) serveItem(w http.ResponseWriter, r *http.Request) error {
	token, kind := r.URL.Query().Get("token"), r.URL.Query().Get("kind")
	if !tokenPattern.MatchString(token) {
		return badRequest("token: want the idempotency key of an item, 32 hexadecimal digits")
	}
	f, err := p.find(r, true)
	if err != nil {
		return err
	}
	if f.stored == nil {
		return notFound("results of this run are in no bucket that the page knows: give it the bucket of sink.Bucket")
	}
	found, err := p.item(r.Context(), f.stored, token, kind)
	if err != nil {
		return err
	}
	redact := p.redact(f.stored.RunID)
	_, _, found.Stack = watch.Hidden(redact, found.Key, "", found.Stack)
	found.hide(redact)
	return answer(w, found)
}

// item searches the records of a run, those of failures first. kind names the records to search;
// empty: all.
func (p *site) item(ctx context.Context, run *results.Run, token, kind string) (*item, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, itemTime, errSlow)
	defer cancel()
	for _, k := range []struct {
		name  string
		items iter.Seq2[*item, error]
	}{
		{"FAILED", p.failed(ctx, run)}, {"HELD", p.held(ctx, run)}, {"PENDING", p.pending(ctx, run)}, {"SUCCEEDED", p.succeeded(ctx, run)},
	} {
		if kind != "" && kind != k.name {
			continue
		}
		for it, err := range k.items {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				return nil, err
			}
			if it.Token = dmap.IdempotencyKey(run.RunID, it.ID); it.Token == token {
				it.Kind = k.name
				return it, nil
			}
		}
	}
	return nil, notFound("the item has no committed record: it runs, waits, or was skipped; skipped items have no records")
}

var errSlow = &httpError{http.StatusGatewayTimeout, "the item was not found within 10 s: read its record with results.Successes or results.Failures"}

func (p *site) failed(ctx context.Context, run *results.Run) iter.Seq2[*item, error] {
	return each(results.Failures(ctx, p.opts.Bucket, run), func(f results.Failure) *item {
		return &item{
			failure: rowOf(run.RunID, &f), Stack: f.Stack, Version: f.Version, Decided: f.Decision,
			Input: p.input(f.Input, f.InputError, f.Raw),
		}
	})
}

func (p *site) held(ctx context.Context, run *results.Run) iter.Seq2[*item, error] {
	return each(results.Held(ctx, p.opts.Bucket, run), func(h results.HeldItem) *item {
		return &item{
			failure: ofItem(&h.Item, h.Elapsed), Reason: h.Reason, Version: h.Version, Decided: h.Before,
			Input: p.input(h.Input, h.InputError, results.Raw{}),
		}
	})
}

func (p *site) pending(ctx context.Context, run *results.Run) iter.Seq2[*item, error] {
	return each(results.Pending(ctx, p.opts.Bucket, run), func(f results.PendingItem) *item {
		row := ofItem(&f.Item, 0)
		row.Class, row.Error = f.Class, f.Error
		return &item{failure: row, Version: f.Version, Decided: f.Decision, Input: p.input(f.Input, f.InputError, f.Raw)}
	})
}

func (p *site) succeeded(ctx context.Context, run *results.Run) iter.Seq2[*item, error] {
	if run.Records != "" { // they have no IDs
		return func(func(*item, error) bool) {}
	}
	return each(results.Successes[json.RawMessage](ctx, p.opts.Bucket, run), func(s results.Success[json.RawMessage]) *item {
		return &item{
			failure: ofItem(&s.Item, s.Elapsed), Version: s.Version, Decided: s.Decision,
			Input: p.input(s.Input, "", results.Raw{}), Output: p.value(s.Output, ""),
		}
	})
}

func ofItem(it *results.Item, elapsed time.Duration) failure {
	return failure{ID: it.ID, Key: it.Key, Offset: it.Offset, Split: it.Split, Index: it.Index, Attempts: it.Attempts, Elapsed: elapsed.Seconds()}
}

// input is the value of an item, or the bytes of one that could not be read.
func (p *site) input(stored json.RawMessage, problem string, raw results.Raw) *value {
	if len(stored) == 0 && problem == "" && len(raw.Bytes) > 0 && p.opts.Payloads {
		return &value{Text: string(raw.Bytes), Why: "the bytes that could not be read as an item"}
	}
	return p.value(stored, problem)
}

func (p *site) value(stored json.RawMessage, problem string) *value {
	switch {
	case !p.opts.Payloads:
		return &value{Why: "inputs and outputs are hidden: the program has not set Options.Payloads"}
	case problem != "":
		return &value{Why: "it could not be stored: " + problem}
	case len(stored) == 0:
		return &value{Why: "it was not stored: see sink.BucketOptions.Inputs"}
	}
	text, omitted := payload(stored)
	return &value{Text: text, Omitted: omitted}
}

// each maps the values of a sequence.
func each[A any](in iter.Seq2[A, error], f func(A) *item) iter.Seq2[*item, error] {
	return func(yield func(*item, error) bool) {
		for a, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(f(a), nil) {
				return
			}
		}
	}
}
