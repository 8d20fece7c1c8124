package dmaptest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gocloud.dev/gcerrors"
)

// Op is an operation of a bucket, as its store sees it.
type Op string

// The operations. A written object is one OpCreate, some OpWrite and one OpClose, which publishes
// it; a read object is one OpOpen and some OpRead. The key of OpList is its prefix, that of OpCopy
// its destination.
const (
	OpOpen       Op = "open"
	OpRead       Op = "read"
	OpList       Op = "list" // one page
	OpCreate     Op = "create"
	OpWrite      Op = "write"
	OpClose      Op = "close"
	OpAttributes Op = "attributes"
	OpDelete     Op = "delete"
	OpCopy       Op = "copy"
)

// Kind is what goes wrong.
type Kind string

const (
	// Fail does nothing and returns an error. An object whose OpClose fails does not appear.
	Fail Kind = "fail"
	// Stall does nothing until the call's context ends, and returns its error.
	Stall Kind = "stall"
	// Slow waits for Fault.Delay, then continues; if the context ends first, it is Stall.
	Slow Kind = "slow"
	// Lost does the operation and returns an error nevertheless, as if the answer got lost. Of
	// OpClose, OpDelete and OpCopy.
	Lost Kind = "lost"
	// Short ends a body after Fault.After bytes as if it were whole, or drops the rest of an
	// OpWrite without an error.
	Short Kind = "short"
	// Reset breaks a body off after Fault.After bytes with an error.
	Reset Kind = "reset"
	// Overwrite replaces an object that was to be created only if there is none, as stores do that
	// ignore If-None-Match. Of OpCreate.
	Overwrite Kind = "overwrite"
	// Corrupt changes the byte at Fault.After, if there is one.
	Corrupt Kind = "corrupt"
)

// Fault is one thing that goes wrong in a FaultBucket. Short, Reset and Corrupt of an OpOpen
// concern the body that it opens.
type Fault struct {
	Op     Op
	Key    string             // only calls whose key contains it; empty: all
	Nth    int                // which call since Inject that matches Op and Key, from 1; 0: the first
	Sticky bool               // every later one too
	Kind   Kind               // empty: Fail
	Code   gcerrors.ErrorCode // of the error; 0: gcerrors.Unknown
	Err    error              // what the error wraps besides ErrInjected, such as syscall.ECONNRESET; may be nil
	After  int64              // bytes that get through before Short, Reset and Corrupt: of the body, or of one OpRead or OpWrite
	Delay  time.Duration      // of Slow
}

// ErrInjected is matched by every error that a fault caused.
var ErrInjected = errors.New("injected fault")

// InjectedError is what a call that a fault hit returns. It matches ErrInjected and Fault.Err.
type InjectedError struct {
	Fault Fault
	Key   string // of the call
}

func (e *InjectedError) Error() string {
	text := fmt.Sprintf("%v: %s of %s %q", ErrInjected, e.Fault.Kind, e.Fault.Op, e.Key)
	if e.Fault.Err != nil {
		text += ": " + e.Fault.Err.Error()
	}
	return text
}

// Unwrap returns ErrInjected and the fault's own error.
func (e *InjectedError) Unwrap() []error {
	if e.Fault.Err == nil {
		return []error{ErrInjected}
	}
	return []error{ErrInjected, e.Fault.Err}
}

// complete returns f with its zero fields resolved, or an error for an impossible fault.
func (f Fault) complete() (Fault, error) {
	if f.Kind == "" {
		f.Kind = Fail
	}
	if f.Nth == 0 {
		f.Nth = 1
	}
	if f.Code == gcerrors.OK {
		f.Code = gcerrors.Unknown
	}
	ops := []Op{OpOpen, OpRead, OpList, OpCreate, OpWrite, OpClose, OpAttributes, OpDelete, OpCopy}
	applies := map[Kind][]Op{
		Fail:    ops,
		Stall:   ops,
		Slow:    ops,
		Lost:    {OpClose, OpDelete, OpCopy},
		Short:   {OpOpen, OpRead, OpWrite},
		Reset:   {OpOpen, OpRead},
		Corrupt: {OpOpen, OpRead, OpWrite},

		Overwrite: {OpCreate},
	}
	switch to, known := applies[f.Kind]; {
	case !slices.Contains(ops, f.Op):
		return f, fmt.Errorf("dmaptest: Fault.Op %q: want one of %v", f.Op, ops)
	case !known:
		return f, fmt.Errorf("dmaptest: Fault.Kind %q: want one of %v", f.Kind, slices.Sorted(maps.Keys(applies)))
	case !slices.Contains(to, f.Op):
		return f, fmt.Errorf("dmaptest: Fault.Kind %q does not apply to %q, only to %v", f.Kind, f.Op, to)
	case f.Nth < 0 || f.After < 0 || f.Delay < 0:
		return f, fmt.Errorf("dmaptest: Fault has a negative Nth %d, After %d or Delay %v", f.Nth, f.After, f.Delay)
	}
	return f, nil
}

// injected is a fault with its counts.
type injected struct {
	Fault
	seen int // matching calls
	hit  int // calls that it hit
}

// next counts a call in and reports whether the fault hits it.
func (i *injected) next(op Op, key string) bool {
	if op != i.Op || !strings.Contains(key, i.Key) {
		return false
	}
	i.seen++
	return i.seen == i.Nth || i.Sticky && i.seen > i.Nth
}
