package dmapweb

import (
	"net/http"

	"github.com/go-dmap/dmap/dmap"
)

// Page shows runs. It is safe for concurrent use.
type Page struct {
	site    *site
	hosts   hosts
	origins *http.CrossOriginProtection
	mux     *http.ServeMux
}

// New makes a Page. It reads nothing before the first request.
func New(opts Options) (*Page, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	s, err := newSite(opts.guarded())
	if err != nil {
		return nil, err
	}
	p := &Page{site: s, hosts: newHosts(opts.Hosts), origins: http.NewCrossOriginProtection(), mux: http.NewServeMux()}
	for _, r := range s.routes() {
		p.mux.Handle(r.pattern(), s.handler(r))
	}
	return p, nil
}

// Observer is the observer for Options.Observer of the runs that the page is to show while they
// work: one observer for all of them. It costs a run microseconds for each failure, retry and
// commit, and nothing for other calls.
func (p *Page) Observer() *dmap.Observer { return p.site.set.Observer() }

// Close ends the streams of all readers. http.Server.Shutdown waits for them: pass Close to
// http.Server.RegisterOnShutdown.
func (p *Page) Close() { p.site.streams.close() }

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
