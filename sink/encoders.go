package sink

import (
	"context"
	"runtime"
	"sync"

	"github.com/go-dmap/dmap/dmap"
)

// encoders is a pool of encoders. Their number is small: when a thousand writers wait for uploads,
// only the writers with an encoder hold encoded records.
type encoders struct {
	opts   BucketOptions
	redact dmap.Redact
	slots  chan struct{} // holds one value for each encoder that is in use
	idle   sync.Pool     // of *encoder
}

func newEncoders(opts BucketOptions, redact dmap.Redact) *encoders {
	return &encoders{opts: opts, redact: redact, slots: make(chan struct{}, max(4, 2*runtime.GOMAXPROCS(0)))}
}

// borrow waits for an encoder; giveBack returns it. When ctx has ended it makes one beyond the
// number: its writer does not wait, and parts reports its records as lost.
func (p *encoders) borrow(ctx context.Context) *encoder {
	beyond := false
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			beyond = true
		}
	}
	e, _ := p.idle.Get().(*encoder)
	if e == nil {
		e = newEncoder(p.opts, p.redact)
	}
	e.beyond = beyond
	return e
}

func (p *encoders) giveBack(e *encoder) {
	e.reset()
	beyond := e.beyond
	p.idle.Put(e)
	if !beyond {
		<-p.slots
	}
}

// replace returns an encoder in the place of e, which is left to a goroutine for which nobody waits
// any more.
func (p *encoders) replace(e *encoder) *encoder {
	fresh := newEncoder(p.opts, p.redact)
	fresh.beyond = e.beyond
	return fresh
}
