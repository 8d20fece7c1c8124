package dmapweb

import (
	"net/http"

	"github.com/go-dmap/dmap/internal/guard"
)

// session says what the reader may do.
type session struct {
	Controls bool   `json:"controls"`
	Why      string `json:"why,omitempty"` // there are none
	Redrive  bool   `json:"redrive"`       // the page can start a redrive
	Payloads bool   `json:"payloads"`
	Bucket   bool   `json:"bucket"`
}

func (p *site) serveSession(w http.ResponseWriter, r *http.Request) error {
	return answer(w, p.session(r))
}

func (p *site) session(r *http.Request) session {
	s := session{Controls: true, Redrive: p.opts.Redrive != nil, Payloads: p.opts.Payloads, Bucket: p.stored != nil}
	if err := p.allowed(r); err != nil {
		s.Controls, s.Redrive, s.Why = false, false, guard.Text(err, maxMessage)
	}
	return s
}
