package dmap_test

import (
	"context"
	"iter"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// rude is an error whose methods do what f does.
type rude struct{ f func() }

func (h rude) Error() string { h.f(); return "hostile" }
func (h rude) Is(error) bool { h.f(); return false }
func (h rude) As(any) bool   { h.f(); return false }
func (h rude) Class() string { h.f(); return "hostile" }

// brokenSource yields ten items and then an error.
type brokenSource struct{ err error }

func (b brokenSource) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range 10 {
			if !yield(dmap.Item[int]{Key: "n", Offset: int64(i), Value: i}, nil) {
				return
			}
		}
		yield(dmap.Item[int]{}, b.err)
	}
}

// failingSink fails every Write.
type failingSink struct{ err error }

func (f failingSink) Write(context.Context, []dmap.Result[int]) error { return f.err }
func (failingSink) Flush(context.Context) error                       { return nil }

func TestHostileErrorsOfSourcesAndSinksEndTheRunWithAnError(t *testing.T) {
	var log logLines
	opts := dmap.Options{Logger: log.logger(0)}
	for name, f := range map[string]func(){"panic": func() { panic("hostile") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bad := rude{f}
			stats, err := dmap.Map(t.Context(), brokenSource{bad}, double, opts, dmap.Sink[int](new(keep[int])))
			require.True(t, err != nil, "the run failed") // a text of err would call its methods
			require.Equal(t, "source", stats.Reason)
			require.EqualValues(t, 10, stats.Succeeded, "what was read before")

			stats, err = dmap.Map(t.Context(), numbers(100), double, opts, dmap.Sink[int](failingSink{bad}))
			require.True(t, err != nil, "the run failed")
			require.Equal(t, "sink", stats.Reason)
		})
	}
	require.NotEmpty(t, log.about(t, "sink failed"))
}
