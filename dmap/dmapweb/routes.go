package dmapweb

import (
	"log/slog"
	"mime"
	"net/http"

	"github.com/go-dmap/dmap/internal/guard"
)

// route is one address of the page.
type route struct {
	method  string
	path    string
	changes bool // it changes something: Authorize decides
	serve   func(http.ResponseWriter, *http.Request) error
}

func (r *route) pattern() string { return r.method + " " + r.path }

// routes is the table of all addresses. Nothing that GET reaches changes anything.
func (p *site) routes() []route {
	return []route{
		{http.MethodGet, "/{$}", false, p.serveIndex},
		{http.MethodGet, "/assets/{file}", false, p.serveAsset},
		{http.MethodGet, "/api/session", false, p.serveSession},
		{http.MethodGet, "/api/runs", false, p.serveRuns},
		{http.MethodGet, "/api/runs/{run}", false, p.serveRun},
		{http.MethodGet, "/api/runs/{run}/events", false, p.serveEvents},
		{http.MethodGet, "/api/runs/{run}/series", false, p.serveSeries},
		{http.MethodGet, "/api/runs/{run}/groups", false, p.serveGroups},
		{http.MethodGet, "/api/runs/{run}/failures", false, p.serveFailures},
		{http.MethodGet, "/api/runs/{run}/failures.csv", false, p.serveCSV},
		{http.MethodGet, "/api/runs/{run}/item", false, p.serveItem},
		{http.MethodGet, "/api/runs/{run}/redrive", false, p.servePreview},
		{http.MethodGet, "/api/runs/{run}/report.html", false, p.serveReport},
		{http.MethodPost, "/api/runs/{run}/control", true, p.control},
		{http.MethodPost, "/api/runs/{run}/redrive", true, p.redrive},
		{http.MethodPost, "/api/runs/{run}/report", true, p.saveReport},
	}
}

// handler answers a route, with the checks that its kind needs.
func (p *site) handler(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if r.changes {
			if err := p.allowed(request); err != nil {
				refuse(w, http.StatusForbidden, guard.Text(err, maxMessage))
				return
			}
			if kind, _, err := mime.ParseMediaType(request.Header.Get("Content-Type")); err != nil || kind != "application/json" {
				refuse(w, http.StatusUnsupportedMediaType, "want Content-Type: application/json")
				return
			}
			request.Body = http.MaxBytesReader(w, request.Body, maxBody)
		}
		if err := r.serve(w, request); err != nil {
			p.fail(w, request, err)
		}
	})
}

// fail answers with an error. Those of a bucket and of the host have status 502.
func (p *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if known, ok := guard.As[*httpError](err); ok {
		refuse(w, known.status, known.text)
		return
	}
	if r.Context().Err() != nil {
		return // the reader has left
	}
	text := guard.Text(err, maxMessage)
	p.log.LogAttrs(r.Context(), slog.LevelError, "the page could not answer", slog.String("path", r.URL.Path), slog.String("error", text))
	refuse(w, http.StatusBadGateway, text)
}
