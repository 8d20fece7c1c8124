package dmap

import (
	"github.com/go-dmap/dmap/internal/journal"
)

// Budgets on the side of the workers and of the engine.

// callBytes is the size of the items of the current call, at most journal.MaxBytes: the sum over a
// task cannot overflow.
func (w *worker[T, R]) callBytes() int64 {
	if w.job.inBatches {
		return w.picked()
	}
	return min(max(w.task.chunk.items[w.next].Size, 0), journal.MaxBytes)
}

// taskBytes is the size of the items that were called for the task. Every item before the next one
// was called, or could not be read.
func (w *worker[T, R]) taskBytes() (bytes int64) {
	c := w.task.chunk
	switch {
	case w.calls == 0 || c.bytes == 0:
		return 0
	case w.job.inBatches && len(w.picks) > 0:
		return w.picked()
	case w.job.inBatches, w.calls == len(c.items): // a batch without picks: its call never returned
		return journal.AddBytes(c.bytes, 0)
	}
	for i := range w.next {
		if c.items[i].Err == nil {
			bytes = journal.AddBytes(bytes, c.items[i].Size)
		}
	}
	return bytes
}

// picked is the size of the items of a batch that are called together.
func (w *worker[T, R]) picked() (bytes int64) {
	c := w.task.chunk
	if len(w.picks) == len(c.items) {
		return journal.AddBytes(c.bytes, 0)
	}
	for _, i := range w.picks {
		bytes = journal.AddBytes(bytes, c.items[i].Size)
	}
	return bytes
}

// mayStart counts a call that starts with this number of bytes. It stops the run and returns false
// if a budget is used up. It is the last decision before the call.
func (w *worker[T, R]) mayStart(bytes int64) bool {
	if err := w.spending.start(bytes); err != nil {
		w.stopper.stop(err)
		return false
	}
	return true
}

// judgeRetry stops the run if an item waits for a retry that no budget has room for.
func (w *worker[T, R]) judgeRetry() {
	if !w.spending.limited {
		return
	}
	if err := w.spending.over(); err != nil {
		w.stopper.stop(err)
	}
}
