package dmaptest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
)

// FaultBucket is a bucket over another one, to which it passes every call unless a fault hits it.
// Without faults it behaves like that bucket, conditional writes and As included. It is safe for
// concurrent use.
//
// The embedded Bucket is what the code under test gets. The bucket below stays open when it is
// closed, so that a test can look at what is really there.
type FaultBucket struct {
	*blob.Bucket
	tb testing.TB

	mu     sync.Mutex // guards what follows
	faults []*injected
	calls  map[Op]int
	record []Op // what log keeps
	log    []Call
	watch  func(Call, bool)
}

// Call is an operation that has ended.
type Call struct {
	Op    Op
	Key   string
	Bytes int64 // read or written by OpRead and OpWrite; of the whole object for OpClose
	Err   error // as the caller saw it; io.EOF at the end of a body
}

// NewFaultBucket returns a bucket over inner. It is closed when the test ends.
func NewFaultBucket(tb testing.TB, inner *blob.Bucket) *FaultBucket {
	b := &FaultBucket{tb: tb, calls: map[Op]int{}}
	b.Bucket = blob.NewBucket(&store{inner: inner, faults: b})
	tb.Cleanup(func() { _ = b.Close() }) // fails only if the test has closed it already
	return b
}

// Inject lets f happen from now on; the returned function tells how many calls it has hit. If
// several faults meet at one call, the first injected happens; the others count the call. A fault
// that makes no sense fails the test.
func (b *FaultBucket) Inject(f Fault) (hits func() int) {
	b.tb.Helper()
	f, err := f.complete()
	if err != nil {
		b.tb.Fatal(err)
	}
	in := &injected{Fault: f}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, in)
	return func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return in.hit
	}
}

// Heal removes all faults. Calls that stall continue to stall.
func (b *FaultBucket) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = nil
}

// Calls is how many calls of op have begun.
func (b *FaultBucket) Calls(op Op) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[op]
}

// Record keeps the calls of ops that end from now on: what was written, and in which order. None:
// stop.
func (b *FaultBucket) Record(ops ...Op) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.record = ops
}

// Log returns the recorded calls in the order in which they ended.
func (b *FaultBucket) Log() []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.log)
}

// Watch calls f when a call begins, with false, and when it has ended, with true: from the
// goroutine that makes the call, so that f can end the process at an exact point. f must be safe
// for concurrent use; nil: stop.
func (b *FaultBucket) Watch(f func(c Call, ended bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch = f
}

// tell passes a call to the function that watches.
func (b *FaultBucket) tell(c Call, ended bool) {
	b.mu.Lock()
	f := b.watch
	b.mu.Unlock()
	if f != nil {
		f(c, ended)
	}
}

// begin counts a call and returns the fault that hits it, or nil.
func (b *FaultBucket) begin(op Op, key string) *InjectedError {
	b.tell(Call{Op: op, Key: key}, false)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[op]++
	var first *injected
	for _, f := range b.faults {
		if f.next(op, key) && first == nil {
			first = f
		}
	}
	if first == nil {
		return nil
	}
	first.hit++
	return &InjectedError{Fault: first.Fault, Key: key}
}

// end records a call.
func (b *FaultBucket) end(op Op, key string, bytes int64, err error) {
	defer b.tell(Call{Op: op, Key: key, Bytes: bytes, Err: err}, true)
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.record, op) {
		b.log = append(b.log, Call{Op: op, Key: key, Bytes: bytes, Err: err})
	}
}

// before carries out what a fault does before the call proper: nil means that the call continues.
func (e *InjectedError) before(ctx context.Context) error {
	if e == nil {
		return nil
	}
	switch e.Fault.Kind {
	case Fail:
		return e
	case Stall:
		<-ctx.Done()
		return ctx.Err()
	case Slow:
		timer := time.NewTimer(e.Fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// after carries out what a fault does once the call proper has returned err.
func (e *InjectedError) after(err error) error {
	if e != nil && e.Fault.Kind == Lost && err == nil {
		return e
	}
	return err
}

// is reports whether the fault that hit, if one did, is of the kind.
func (e *InjectedError) is(kind Kind) bool { return e != nil && e.Fault.Kind == kind }

// shapes reports whether the fault that hit, if one did, changes bytes instead of the call.
func (e *InjectedError) shapes() bool { return e.is(Short) || e.is(Reset) || e.is(Corrupt) }
