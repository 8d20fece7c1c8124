package dmapweb

import (
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/sink/results"
)

// csvHeader names the columns of an export.
func csvHeader() []string {
	return []string{"id", "key", "offset", "index", "attempts", "class", "error", "seconds", "group", "idempotency key"}
}

// serveCSV exports the failures of a group, or all, as a file for spreadsheets.
func (p *site) serveCSV(w http.ResponseWriter, r *http.Request) error {
	f, err := p.find(r, true)
	if err != nil {
		return err
	}
	q, err := p.query(r, f)
	if err != nil {
		return err
	}
	rows := &csvRows{w: w, out: http.NewResponseController(w)}
	rows.csv = csv.NewWriter(rows)
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-failures.csv"`, fileName(r.PathValue("run"))))
	if err := rows.csv.Write(csvHeader()); err != nil {
		return nil //nolint:nilerr // the reader has left
	}
	if f.stored == nil {
		for _, one := range p.sampled(f.live, q).Failures {
			rows.write(&one)
		}
		rows.csv.Flush()
		return nil
	}
	redact := p.redact(f.stored.RunID)
	for one, err := range results.Failures(r.Context(), p.opts.Bucket, f.stored) {
		if err != nil {
			return p.breakOff(w, r, rows, err)
		}
		row := rowOf(f.stored.RunID, &one)
		if !q.matches(&row) {
			continue
		}
		row.hide(redact)
		if rows.write(&row); rows.err != nil {
			return nil
		}
	}
	rows.csv.Flush()
	return nil
}

// breakOff ends an export that cannot be read on. Once some of it is sent, only the end of the
// connection tells the reader that the file is incomplete.
func (p *site) breakOff(w http.ResponseWriter, r *http.Request, rows *csvRows, err error) error {
	if !rows.sent {
		w.Header().Del("Content-Disposition")
		return err
	}
	rows.csv.Flush()
	p.log.LogAttrs(r.Context(), slog.LevelError, "an export of failures broke off", slog.String("path", r.URL.Path), slog.String("error", guard.Text(err, maxMessage)))
	panic(http.ErrAbortHandler)
}

// csvRows writes rows, each batch of them within a deadline, so that a reader that has gone does
// not hold the part in memory.
type csvRows struct {
	w   io.Writer
	out *http.ResponseController
	csv *csv.Writer
	err error

	sent bool // some rows are
}

// csvDeadline is the time that a reader has for some kilobytes.
const csvDeadline = 30 * time.Second

// Write passes rows on.
func (c *csvRows) Write(b []byte) (int, error) {
	c.sent = true
	_ = c.out.SetWriteDeadline(time.Now().Add(csvDeadline))
	return c.w.Write(b)
}

func (c *csvRows) write(f *failure) {
	c.err = c.csv.Write([]string{
		harmless(f.ID), harmless(f.Key), strconv.FormatInt(f.Offset, 10), strconv.FormatInt(f.Index, 10), strconv.Itoa(f.Attempts),
		harmless(f.Class), harmless(f.Error), strconv.FormatFloat(f.Elapsed, 'g', 6, 64), f.Group, f.Token,
	})
}

// harmless keeps spreadsheets from taking a text for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// fileName is a name for a file of the reader.
func fileName(run string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '=', r == '-':
			return r
		default:
			return '_'
		}
	}, clip(run, 100))
}
