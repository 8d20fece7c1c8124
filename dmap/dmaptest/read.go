package dmaptest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"runtime/debug"
	"testing"

	"github.com/go-dmap/dmap/dmap"
)

// check is one rule of a contract, as a subtest.
type check struct {
	name string
	run  func(tb testing.TB)
}

func runAll(t *testing.T, checks []check) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

// maxValues bounds the values that a suite reads, so that a source without an end fails instead of
// filling memory.
const maxValues = 100_000

var errTooMany = fmt.Errorf("more than %d values: a suite needs a smaller source", maxValues)

// errContinues says that a sequence called its loop's body again after the body had ended the loop.
var errContinues = errors.New("the sequence continues after break")

// collect reads seq, at most the first limit values (negative: all), and ends with its first error.
// It checks that nothing follows a break.
func collect[V any](seq iter.Seq2[V, error], limit int) (values []V, err error) {
	if limit < 0 {
		limit = maxValues + 1
	}
	defer func() {
		r := recover()
		if e, ok := r.(error); ok && errors.Is(e, errContinues) {
			err = errors.Join(errContinues, err)
		} else if r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	broken := false
	seq(func(v V, e error) bool {
		if broken {
			panic(errContinues) // a range statement would panic here, too
		}
		if e == nil {
			values = append(values, v)
		}
		err = e
		broken = e != nil || len(values) == limit
		return !broken
	})
	if len(values) > maxValues {
		return nil, errTooMany
	}
	return values, err
}

// comparison tells items apart. Values of items that carry an error are not looked at.
type comparison[T any] struct{ equal func(a, b T) bool }

// compareBy takes the optional last argument of the suites.
func compareBy[T any](equal []func(a, b T) bool) comparison[T] {
	if len(equal) > 0 {
		return comparison[T]{equal[0]}
	}
	return comparison[T]{func(a, b T) bool { return reflect.DeepEqual(a, b) }}
}

// same returns how got differs from want, empty if it does not. Indexes are compared only if both
// count from the same item.
func (c comparison[T]) same(got, want dmap.Item[T], index bool) string {
	switch {
	case got.Key != want.Key || got.Offset != want.Offset:
		return fmt.Sprintf("is %q, want %q", got.ID(), want.ID())
	case index && got.Index != want.Index:
		return fmt.Sprintf("%q has Index %d, want %d", got.ID(), got.Index, want.Index)
	case got.Size != want.Size:
		return fmt.Sprintf("%q has Size %d, want %d", got.ID(), got.Size, want.Size)
	case got.Next != want.Next:
		return fmt.Sprintf("%q has Next %+v, want %+v", got.ID(), got.Next, want.Next)
	case (got.Err != nil || want.Err != nil) && fmt.Sprint(got.Err) != fmt.Sprint(want.Err):
		return fmt.Sprintf("%q has Err %v, want %v", got.ID(), got.Err, want.Err)
	case want.Err == nil && !c.equal(got.Value, want.Value):
		return fmt.Sprintf("%q has Value %+v, want %+v", got.ID(), got.Value, want.Value)
	default:
		return ""
	}
}

// diff returns the first difference between two readings, empty if there is none.
func (c comparison[T]) diff(got, want []dmap.Item[T], index bool) string {
	for i := range min(len(got), len(want)) {
		if d := c.same(got[i], want[i], index); d != "" {
			return fmt.Sprintf("item %d %s", i, d)
		}
	}
	switch {
	case len(got) < len(want):
		return fmt.Sprintf("%d items, want %d: the first missing one is %q", len(got), len(want), want[len(got)].ID())
	case len(got) > len(want):
		return fmt.Sprintf("%d items, want %d: the first extra one is %q", len(got), len(want), got[len(want)].ID())
	default:
		return ""
	}
}

// errEnded is the cause with which the suites cancel contexts.
var errEnded = errors.New("the suite has canceled the context")

// ended describes the fault of a reading whose context was canceled: it must be complete or return
// the reason.
func ended(got, want int, err error) string {
	switch {
	case err == nil && got < want:
		return fmt.Sprintf("ends after %d of %d without an error", got, want)
	case err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errEnded):
		return fmt.Sprintf("the error is %q: want one that matches context.Canceled or the cause", err)
	default:
		return ""
	}
}

// endable returns a context and a function that cancels it with errEnded.
func endable(tb testing.TB) (context.Context, func()) {
	ctx, end := context.WithCancelCause(tb.Context())
	return ctx, func() { end(errEnded) }
}

// storePage is the number of keys that most stores list at once.
const storePage = 1000

// some returns the numbers 0 to n-1 if there are at most 200, else at most 80 of them: the first,
// the last, those at the ends of the first pages of a store, and some between. A check reads up to
// n items for each of these numbers.
func some(n int) []int {
	const ends, between, pages = 16, 32, 3
	var picked []int
	for i := range n {
		if n <= 200 || i < ends || i >= n-ends || i%(n/between) == 0 || i <= pages*storePage && (i+2)%storePage < 3 {
			picked = append(picked, i)
		}
	}
	return picked
}
