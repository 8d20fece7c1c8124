package dmapweb

import (
	"errors"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
)

// site is what the handlers of a Page share.
type site struct {
	opts    Options
	set     *watch.Set
	log     *slog.Logger
	stored  *stored // nil: there is no bucket
	streams *streams
	index   *template.Template
}

// newSite makes the site of checked Options.
func newSite(opts Options) (*site, error) {
	index, err := template.ParseFS(files, "web/index.html")
	if err != nil {
		return nil, err
	}
	p := &site{
		opts: opts, log: opts.Logger, streams: newStreams(), index: index,
		set: watch.NewSet(watch.Options{Redact: opts.Redact, Total: opts.Total}),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if opts.Bucket != nil {
		p.stored = newStored(opts)
		p.stored.redact = p.redact
	}
	return p, nil
}

// redact is what hides the keys of a run, also in its records: by the host, or, of a run of this
// process, as in its log. nil: nothing does.
func (p *site) redact(runID string) func(string) string {
	for _, c := range p.set.Runs() {
		if c.Spec().RunID == runID {
			return c.Redact()
		}
	}
	return p.opts.Redact
}

// allowed reports why a request may not change anything; nil: it may.
func (p *site) allowed(r *http.Request) error {
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

var (
	errReadOnly  = errors.New("this page is read-only: the program has not set Options.Authorize")
	errAuthorize = errors.New("the program could not decide whether you may do that: its log says why")
)
