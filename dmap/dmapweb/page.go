package dmapweb

import (
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
)

// Page shows runs. It is safe for concurrent use.
type Page struct {
	opts    Options
	set     *watch.Set
	hosts   hosts
	origins *http.CrossOriginProtection
	mux     *http.ServeMux
	index   *template.Template
	log     *slog.Logger
	stored  *stored // nil: there is no bucket

	mu      sync.Mutex // guards the fields below
	feeds   map[string]*feed
	streams int // of all feeds

	closed    chan struct{} // by Close
	closeOnce sync.Once
}

// files are the page: plain ES modules and a style sheet.
//
//go:embed web
var files embed.FS

// New makes a Page. It reads nothing before the first request.
func New(opts Options) (*Page, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	opts = opts.guarded()
	web, err := fs.Sub(files, "web")
	if err != nil {
		return nil, err
	}
	index, err := template.ParseFS(web, "index.html")
	if err != nil {
		return nil, err
	}
	p := &Page{
		opts: opts, hosts: newHosts(opts.Hosts), origins: http.NewCrossOriginProtection(), index: index, log: opts.Logger,
		set:   watch.NewSet(watch.Options{Redact: opts.Redact, Total: opts.Total}),
		feeds: map[string]*feed{}, mux: http.NewServeMux(), closed: make(chan struct{}),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if opts.Bucket != nil {
		p.stored = newStored(opts)
		p.stored.redact = p.redact
	}
	for _, r := range p.routes() {
		p.mux.Handle(r.pattern(), p.handler(r))
	}
	return p, nil
}

// redact is what hides the keys of a run, also in its records: by the host, or, of a run of this
// process, as in its log. nil: nothing does.
func (p *Page) redact(runID string) func(string) string {
	for _, c := range p.set.Runs() {
		if c.Spec().RunID == runID {
			return c.Redact()
		}
	}
	return p.opts.Redact
}

// Observer is the observer for Options.Observer of the runs that the page is to show while they
// work: one observer for all of them. It costs a run microseconds for each failure, retry and
// commit, and nothing for other calls.
func (p *Page) Observer() *dmap.Observer { return p.set.Observer() }

// Close ends the streams of all readers. http.Server.Shutdown waits for them: pass Close to
// http.Server.RegisterOnShutdown.
func (p *Page) Close() { p.closeOnce.Do(func() { close(p.closed) }) }

// ServeHTTP answers a request whose path is relative to the page: use http.StripPrefix to mount it
// under a path, which must end in a slash.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !p.hosts.allows(r.Host) {
		refuse(w, http.StatusMisdirectedRequest, "this page does not answer to that host name: add it to Options.Hosts, or use the address of the host")
		return
	}
	if err := p.origins.Check(r); err != nil {
		refuse(w, http.StatusForbidden, "the request comes from another site")
		return
	}
	p.mux.ServeHTTP(w, r)
}

// policy lets the page load its own files and nothing else.
const policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"

// allowed reports why a request may not change anything; nil: it may.
func (p *Page) allowed(r *http.Request) error {
	if p.opts.Authorize == nil {
		return errReadOnly
	}
	err, how := guard.Call(func() error { return p.opts.Authorize(r) })
	if how != "" {
		p.log.LogAttrs(r.Context(), slog.LevelError, "Options.Authorize did not return", slog.String("cause", string(how)))
		return errAuthorize
	}
	return err
}
