package dmap

import (
	"runtime"
	"sync/atomic"

	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/scrub"
)

// longTexts replaces errors with a long text. Its token is held while a user's error is asked for
// its text, which may be of any length, so that of many calls that fail at once only one is asked.
type longTexts chan struct{}

// kept returns err as it is kept until its result is delivered: one with a long text is kept as a
// part of that.
func (t longTexts) kept(err error) error {
	var start textStart
	if guard.PlainError(err) {
		start = startOf(err)
	} else {
		start = t.ask(err)
	}
	if start.size <= maxKept {
		return err
	}
	if panicked, ok := guard.As[*PanicError](err); ok {
		return &PanicError{Value: errtext.PanicText(panicked.Value, maxShown), Stack: panicked.Stack}
	}
	return &longError{text: start.text + "... (the text of the error is too long)", class: Class(err)}
}

// ask is startOf for an error whose methods a user may have written. The goroutine that asks takes
// the token, not the worker: it runs, and keeps the token only while the error answers. If a worker
// had it, the worker would wait until that goroutine runs, which in a busy run takes long. All
// workers that fail meanwhile would wait for this one, and others would start in their place.
func (t longTexts) ask(err error) textStart {
	turn := turn{token: t}
	start, _ := guard.Call(func() textStart {
		if !turn.take() {
			return textStart{size: notAsked}
		}
		defer turn.end() // after the text is collected, or there would be many
		return startOf(err)
	})
	turn.end() // it may still be asked
	if start.size != notAsked {
		return start
	}
	t <- struct{}{}
	defer func() { <-t }()
	start, _ = guard.Call(func() textStart { return startOf(err) })
	return start
}

// turn is the time for which one call may hold the token.
type turn struct {
	token longTexts
	state atomic.Int32
}

// The states of a turn.
const (
	waits = iota
	holds
	ended
)

// turnTries is how often a turn looks for the token until it does not take it.
const turnTries = 16

// take takes the token, unless others hold it for long, or the turn has ended.
func (t *turn) take() bool {
	for range turnTries {
		select {
		case t.token <- struct{}{}:
			if t.state.CompareAndSwap(waits, holds) {
				return true
			}
			<-t.token
			return false
		default:
			runtime.Gosched()
		}
	}
	return false
}

// end returns the token if the turn holds it. A turn may end twice.
func (t *turn) end() {
	if t.state.Swap(ended) == holds {
		<-t.token
	}
}

// notAsked is the size of a text that was not asked for, because others hold the token.
const notAsked = -1

// textStart is the start of the text of an error, if that is long.
type textStart struct {
	text string
	size int // of the whole text, in bytes
}

// startOf asks err for its text. A very long one is collected as garbage before this returns.
func startOf(err error) textStart {
	start := cut(err)
	if start.size >= collectFrom {
		runtime.GC()
	}
	return start
}

func cut(err error) (start textStart) {
	text := err.Error()
	if start.size = len(text); start.size > maxKept {
		start.text = scrub.Text(text, maxShown)
	}
	return start
}

// collectFrom is the size in bytes of a text from which its memory is freed at once: the next call
// that fails makes as much, before a collection of garbage is due.
const collectFrom = 32 << 20

// longError stands for an error whose text is too long to be kept.
type longError struct{ text, class string }

func (e *longError) Error() string { return e.text }

// Class is that of the error.
func (e *longError) Class() string { return e.class }
