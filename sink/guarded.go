package sink

import (
	"context"
	"maps"
)

// A MarshalJSON of a user may end its goroutine, or never return, and must cost no more than one
// item. So records with values that have methods which JSON calls are encoded on a goroutine of
// their own, one for each chunk of records. If a method ends it, or does not return, a new
// goroutine encodes the chunk again, without that value. Values without such methods are encoded
// where the sink was called.

// guarded encodes the records of one call whose values have methods of a user.
type guarded struct {
	ctx        context.Context //nolint:containedctx // it lives as long as the call of the sink
	encoders   *encoders
	e          *encoder
	records    int
	chunkBytes int
	// encode appends a record. The error is that of an output, which has no record.
	encode func(e *encoder, i int) error
	reject func(i int, err error)

	next int               // the record after the chunk
	left map[valueAt]error // the values that are left out, and why
}

// all encodes all records, and calls full for each full chunk but the last.
func (g *guarded) all(full func()) {
	for g.next < g.records {
		out := g.chunk()
		g.next = out.next
		for i, err := range out.rejected {
			g.reject(i, err)
		}
		if g.e.size() >= g.chunkBytes {
			full()
		}
	}
}

// chunk encodes the next chunk, without the values whose methods do not return.
func (g *guarded) chunk() outcome {
	for {
		done := make(chan outcome, 1)
		go g.run(g.e, maps.Clone(g.left), done)
		out, at := g.e.watch.await(g.ctx, done)
		why := errBlocked
		switch {
		case out.panicked != nil:
			panic(out.panicked)
		case out.exited:
			at, why = valueAt(g.e.watch.at.Load()), errGoexit
			g.e.reset()
			g.e.failed = g.e.failed[:0]
		case at == 0:
			return out
		default:
			g.e = g.encoders.replace(g.e)
		}
		if g.left == nil {
			g.left = map[valueAt]error{}
		}
		g.left[at] = why
	}
}

// run encodes records until e is full.
func (g *guarded) run(e *encoder, left map[valueAt]error, done chan<- outcome) {
	out := outcome{next: g.next, exited: true}
	defer func() {
		out.panicked = recover()
		done <- out
	}()
	e.watch.on = true
	for ; out.next < g.records && e.size() < g.chunkBytes; out.next++ {
		i := out.next
		e.watch.record, e.noInput = i, left[placeOf(i, anInput)]
		err := left[placeOf(i, anOutput)]
		if err != nil {
			err = &encodeError{err}
		} else {
			err = g.encode(e, i)
		}
		if err != nil {
			if out.rejected == nil {
				out.rejected = map[int]error{}
			}
			out.rejected[i] = err
		}
	}
	out.exited = false
}
