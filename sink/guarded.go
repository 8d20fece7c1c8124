package sink

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"
)

// A MarshalJSON of a user may end its goroutine, or never return, and must cost no more than one
// item. So records with values that have methods which JSON calls are encoded on a goroutine of
// their own, one for each chunk of records. If a method ends it, or does not return, a new
// goroutine encodes the chunk again, without that value. Values without such methods are encoded
// where the sink was called.

const (
	valuePatience = time.Minute // how long the methods of a value may take
	endedPatience = time.Second // the same after the end of the context
)

// errBlocked says why a value is left out.
var errBlocked = errors.New("a method of the value does not return")

// valueKind names one of the values of a record.
type valueKind int64

const (
	anInput valueKind = iota + 1
	anOutput
)

// valueAt names a value of the records of one call. 0: none.
type valueAt int64

func placeOf(record int, is valueKind) valueAt { return valueAt(record)<<2 | valueAt(is) }

// watch tells a goroutine that waits for an encoder which value is encoded.
type watch struct {
	on     bool         // values are watched
	record int          // that is encoded
	at     atomic.Int64 // the valueAt of the value that is encoded, or given
}

const given = -1 // the value was given up: nobody waits for its goroutine any more

// begin is called before the methods of a value.
func (w *watch) begin(is valueKind) {
	if w.on {
		w.at.Store(int64(placeOf(w.record, is)))
	}
}

// end is called after the methods of a value have returned or panicked. It ends the goroutine if
// nobody waits for it.
func (w *watch) end() {
	if w.on && w.at.Swap(0) == given {
		runtime.Goexit()
	}
}

// giveUp reports whether the methods of a value have still not returned. Then nobody waits for
// them.
func (w *watch) giveUp(at valueAt) bool { return w.at.CompareAndSwap(int64(at), given) }

func (w *watch) stop() {
	w.on = false
	w.at.Store(0)
}

// await waits for the outcome of a goroutine that encodes, or gives up a value whose methods do not
// return, and returns its place. It counts ticks, so that a process may be stopped meanwhile.
func (w *watch) await(ctx context.Context, done <-chan outcome) (out outcome, blocked valueAt) {
	ticks := time.NewTicker(endedPatience)
	defer ticks.Stop()
	last, same := valueAt(0), time.Duration(0)
	for {
		select {
		case out = <-done:
			return out, 0
		case <-ticks.C:
		}
		switch at := valueAt(w.at.Load()); {
		case at == 0 || at != last:
			last, same = at, 0
		case ctx.Err() == nil && same+endedPatience < valuePatience:
			same += endedPatience
		case w.giveUp(at):
			return out, at
		}
	}
}

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

// outcome is how far a goroutine came.
type outcome struct {
	next     int // the record after the last one
	rejected map[int]error
	exited   bool // a method ended it
	panicked any
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

// Methods that do not return still have their value, and the engine uses the memory of results
// again. So these values are copied.

// ownValue returns a pointer to the output, or to a copy in memory of e.
func ownValue[R any](e *encoder, value *R) *R {
	if !e.watch.on {
		return value
	}
	own, _ := e.own.(*R)
	if own == nil {
		own = new(R)
		e.own = own
	}
	*own = *value
	return own
}

// ownInput returns the input, or a copy.
func (e *encoder) ownInput(input any) any {
	if !e.watch.on || plainInput(input) && e.redact == nil {
		return input
	}
	return copied(input)
}

// copied returns a pointer to a copy of the value that input points to.
func copied(input any) any {
	v := reflect.ValueOf(input)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return input
	}
	own := reflect.New(v.Type().Elem())
	own.Elem().Set(v.Elem())
	return own.Interface()
}
