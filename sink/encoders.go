package sink

import (
	"context"
	"runtime"
	"sync"
)

// encoders lends encoders to writers. There are few, so that of a thousand writers that wait for uploads only a few hold
// encoded records; the others hold what they want to write, which is there anyway.
type encoders struct {
	opts  BucketOptions
	slots chan struct{} // one taken for each encoder that is lent
	idle  sync.Pool     // of *encoder
}

func newEncoders(opts BucketOptions) *encoders {
	return &encoders{opts: opts, slots: make(chan struct{}, max(4, 2*runtime.GOMAXPROCS(0)))}
}

// borrow waits for an encoder, which giveBack takes back. Who must not wait any longer gets one beyond the number, and learns
// from parts what is lost.
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
		e = newEncoder(p.opts)
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
