package dmapweb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/watch"
)

// ReportName is the name of a report in the folder of its run.
const ReportName = "report.html"

// WriteReport writes report.html beside the manifest of the run runID, which sink.Bucket has
// written with this bucket and prefix: the state of the run and its failures by group, as one file
// without scripts. It replaces an older report. A report of an open run shows its last commit. The
// history of a run is not in its bucket: see the button of a Page whose process works on the run.
func WriteReport(ctx context.Context, bucket *blob.Bucket, prefix, runID string) error {
	s := newStored(Options{Bucket: bucket, Prefix: prefix})
	run, err := s.load(ctx, runID)
	if err != nil {
		return err
	}
	groups, err := s.groups(ctx, run)
	if err != nil {
		return err
	}
	content, err := report(reportData{Run: s.snapshot(run, groups), Folder: s.folder(run)})
	if err != nil {
		return err
	}
	return writeReport(ctx, bucket, prefix, runID, content)
}

func writeReport(ctx context.Context, bucket *blob.Bucket, prefix, runID string, content []byte) error {
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return err
	}
	return publish.Replace(ctx, bucket, folder+ReportName, "text/html; charset=utf-8", content)
}

// reportData is what a report shows.
type reportData struct {
	Run    watch.Snapshot
	Series watch.Series // empty: not known
	Folder *folder      // nil: not known
	Now    time.Time
}

// report renders a report.
func report(d reportData) ([]byte, error) {
	d.Now = time.Now()
	if n := len(d.Run.Failures.Groups) - reportGroups; n > 0 {
		d.Run.Failures.Groups, d.Run.Failures.More = d.Run.Failures.Groups[:reportGroups], n
	}
	var out bytes.Buffer
	if err := reportTemplate().Execute(&out, d); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// reportGroups is how many groups a report lists.
const reportGroups = 50

func reportTemplate() *template.Template {
	return template.Must(template.New("report.html").Funcs(template.FuncMap{
		"count":    watch.Count,
		"percent":  watch.Percent,
		"duration": func(seconds float64) string { return watch.Duration(time.Duration(seconds * float64(time.Second))) },
		"elapsed":  watch.Duration,
		"bytes":    byteText,
		"date":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"headline": func(s watch.Snapshot, now time.Time) string { return s.Headline(now.UTC()) },
		"bar":      func(p watch.Progress) template.HTML { return bar(&p) },
		"where":    func(w []failgroup.Place) []failgroup.Place { return failgroup.Gather(w, 3) },
		"style":    func() template.CSS { return template.CSS(reportStyle()) }, //nolint:gosec // our own file
		"items":    itemsChart, "times": timesChart, "calls": callsChart,
	}).ParseFS(files, "web/report.html"))
}

func reportStyle() string {
	content, err := files.ReadFile("web/report.css")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func itemsChart(d reportData) template.HTML {
	perSecond := func(n func(*watch.Point) int64) func(*watch.Point) float64 {
		return func(p *watch.Point) float64 {
			if p.Seconds <= 0 {
				return 0
			}
			return float64(n(p)) / p.Seconds
		}
	}
	return chart(&d.Series, d.Run.Marks, func(v float64) string { return strings.TrimSuffix(watch.PerSecond(v), "/s") + " items a second" },
		curve{"line good", perSecond(func(p *watch.Point) int64 { return p.Settled })},
		curve{"line bad", perSecond(func(p *watch.Point) int64 { return p.Failed })})
}

func timesChart(d reportData) template.HTML {
	return chart(&d.Series, d.Run.Marks, func(v float64) string { return watch.Duration(time.Duration(v * float64(time.Second))) },
		curve{"line faint", func(p *watch.Point) float64 { return p.Max }},
		curve{"line wait", func(p *watch.Point) float64 { return p.P95 }},
		curve{"line work", func(p *watch.Point) float64 { return p.P50 }})
}

func callsChart(d reportData) template.HTML {
	return chart(&d.Series, d.Run.Marks, func(v float64) string { return watch.Counted(int64(v), "call") },
		curve{"line faint", func(p *watch.Point) float64 { return float64(p.Limit) }},
		curve{"line work", func(p *watch.Point) float64 { return p.InFlight }})
}

// reportFor renders the report of a run that was found.
func (p *site) reportFor(r *http.Request) (found, []byte, error) {
	f, err := p.find(r, true)
	if err != nil {
		return f, nil, err
	}
	d := reportData{}
	if d.Run, err = p.snapshot(r.Context(), f); err != nil {
		return f, nil, err
	}
	if f.live != nil {
		d.Series = f.live.Series(0)
	}
	if f.stored != nil {
		d.Folder = p.stored.folder(f.stored)
	}
	content, err := report(d)
	return f, content, err
}

// serveReport shows a report: its own style is allowed by its hash.
func (p *site) serveReport(w http.ResponseWriter, r *http.Request) error {
	_, content, err := p.reportFor(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(reportStyle()))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	_, _ = w.Write(content) // an error: the reader has left
	return nil
}

// saveReport writes a report beside the manifest.
func (p *site) saveReport(w http.ResponseWriter, r *http.Request) error {
	if err := decodeBody(r, &struct{}{}); err != nil {
		return err
	}
	f, content, err := p.reportFor(r)
	if err != nil {
		return err
	}
	if f.stored == nil {
		return conflict("the run is in no bucket that the page knows: open the report and save it as a file")
	}
	if err := writeReport(r.Context(), p.opts.Bucket, p.opts.Prefix, f.stored.RunID, content); err != nil {
		return err
	}
	return answer(w, map[string]string{"done": "written beside the manifest: " + ReportName})
}
