package sink

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

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

// outcome is how far a goroutine came.
type outcome struct {
	next     int // the record after the last one
	rejected map[int]error
	exited   bool // a method ended it
	panicked any
}
