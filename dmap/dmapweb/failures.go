package dmapweb

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// failure is a failed item.
type failure struct {
	Token    string    `json:"token"` // its idempotency key, which finds it again
	ID       string    `json:"id"`
	Key      string    `json:"key"`
	Offset   int64     `json:"offset"`
	Split    string    `json:"split,omitempty"`
	Index    int64     `json:"index"`
	Attempts int       `json:"attempts"`
	Class    string    `json:"class"`
	Error    string    `json:"error"`
	Group    string    `json:"group"`
	Elapsed  float64   `json:"elapsed,omitempty"` // seconds of the last call
	At       time.Time `json:"at,omitzero"`
}

// failuresPage is the answer of /failures.
type failuresPage struct {
	Failures []failure `json:"failures"`
	After    string    `json:"after,omitempty"` // the cursor of the next page; empty: this is the last
	Scanned  int64     `json:"scanned"`         // records that were read for this page
	Partial  string    `json:"partial,omitempty"`
	Empty    string    `json:"empty,omitempty"`
}

// Bounds of a page of failures.
const (
	usualFailures = 50
	mostFailures  = 500
	scanTime      = 5 * time.Second
)

// query chooses failures.
type query struct {
	group, text string
	placed      map[string]bool // of the group "other": the groups that are not in it
}

func (q *query) matches(f *failure) bool {
	switch q.group {
	case "", f.Group:
	case results.OtherGroup:
		if q.placed[f.Group] {
			return false
		}
	default:
		return false
	}
	return q.text == "" || strings.Contains(f.ID, q.text) || strings.Contains(f.Error, q.text) || f.Class == q.text
}

// query is what a request asks for.
func (p *site) query(r *http.Request, f found) (*query, error) {
	q := &query{group: r.URL.Query().Get("group"), text: r.URL.Query().Get("q")}
	if q.group != results.OtherGroup || f.stored == nil {
		return q, nil
	}
	groups, err := p.stored.groups(r.Context(), f.stored)
	q.placed = map[string]bool{}
	for _, g := range groups.Groups {
		q.placed[g.ID] = true
	}
	return q, err
}

func (p *site) serveFailures(w http.ResponseWriter, r *http.Request) error {
	values := r.URL.Query()
	limit, err := number(values.Get("limit"), usualFailures, mostFailures)
	if err != nil {
		return err
	}
	from, err := parseCursor(values.Get("after"))
	if err != nil {
		return err
	}
	f, err := p.find(r, true)
	if err != nil {
		return err
	}
	q, err := p.query(r, f)
	if err != nil {
		return err
	}
	if f.stored == nil {
		return answer(w, p.sampled(f.live, q))
	}
	page, err := p.stored.failures(r.Context(), f.stored, q, from, limit)
	if err != nil {
		return err
	}
	if len(page.Failures) == 0 && page.After == "" {
		page.Empty = emptyFailures(f)
	}
	return answer(w, page)
}

func emptyFailures(f found) string {
	if f.live != nil && f.live.Live() {
		return "No such failure is committed yet: failures appear here after the next commit."
	}
	return "No failure matches."
}

// sampled lists the samples of a run whose results are in no bucket.
func (p *site) sampled(run *watch.Collector, q *query) failuresPage {
	out := failuresPage{Failures: []failure{}}
	all := run.Groups()
	for _, g := range all.Groups {
		for _, s := range g.Samples {
			f := failure{ID: s.ID, Key: s.Key, Attempts: s.Attempts, Class: s.Class, Error: s.Error, Group: g.ID, At: s.At}
			if q.matches(&f) {
				out.Failures = append(out.Failures, f)
			}
		}
	}
	out.Partial = "Only the first three failures of each group are known: give the page the bucket of sink.Bucket to see all."
	if all.Whole {
		out.Partial = "Workers send no keys of failed items: give the page the bucket of sink.Bucket to see them."
	}
	if len(out.Failures) == 0 {
		out.Empty = "No failure matches among the samples of this process."
	}
	return out
}

// failures reads a page of the failures of a run.
func (s *stored) failures(ctx context.Context, run *results.Run, q *query, from cursor, limit int) (failuresPage, error) {
	out := failuresPage{Failures: []failure{}}
	until := time.Now().Add(scanTime)
	for part := from.part; part < len(run.FailedParts); part++ {
		one, at := *run, 0
		one.FailedParts = run.FailedParts[part : part+1]
		for f, err := range results.Failures(ctx, s.bucket, &one) {
			if err != nil {
				return out, err
			}
			at++
			if part == from.part && at <= from.line {
				continue
			}
			out.Scanned++
			row := rowOf(run.RunID, &f)
			if q.matches(&row) {
				row.hide(s.redact(run.RunID))
				out.Failures = append(out.Failures, row)
			}
			if full := len(out.Failures) == limit; full || time.Now().After(until) {
				out.After = fmt.Sprintf("%d-%d", part, at)
				if !full {
					out.Partial = fmt.Sprintf("The first %s of this page were searched: load more to search the rest.", watch.Counted(out.Scanned, "record"))
				}
				return out, nil
			}
		}
	}
	return out, nil
}

// rowOf is a stored failure as it is shown.
func rowOf(runID string, f *results.Failure) failure {
	return failure{
		Token: dmap.IdempotencyKey(runID, f.ID), ID: f.ID, Key: f.Key, Offset: f.Offset, Split: f.Split, Index: f.Index,
		Attempts: f.Attempts, Class: f.Class, Error: f.Error, Group: f.Group(), Elapsed: f.Elapsed.Seconds(), At: f.At,
	}
}

// cursor is a position in the failed records of a run: a part, and the lines of it that were read.
type cursor struct{ part, line int }

// hide replaces the key of the item. Splits are named by keys.
func (f *failure) hide(redact func(string) string) {
	if redact != nil {
		f.Key, f.ID, f.Error = watch.Hidden(redact, f.Key, f.ID, f.Error)
		f.Split = ""
	}
}

func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	part, line, ok := strings.Cut(text, "-")
	p, err1 := strconv.ParseUint(part, 10, 31)
	l, err2 := strconv.ParseUint(line, 10, 31)
	if !ok || err1 != nil || err2 != nil {
		return cursor{}, badRequest("after: want a cursor that an answer before had")
	}
	return cursor{int(p), int(l)}, nil //nolint:gosec // 31 bits
}

func number(text string, usual, most int) (int, error) {
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest(fmt.Sprintf("limit: want 1 to %d", most))
	}
	return n, nil
}

// payload is a value of an item as text. Values are shown only with Options.Payloads.
func payload(value json.RawMessage) (text string, omitted int) {
	const most = 64 << 10
	if len(value) <= most {
		return string(value), 0
	}
	n := most
	for n > 0 && !utf8.RuneStart(value[n]) {
		n--
	}
	return string(value[:n]), len(value) - n
}
