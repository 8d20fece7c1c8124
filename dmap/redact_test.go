package dmap_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// named yields one item with a key of any bytes.
type named struct{ key string }

func (s named) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		yield(dmap.Item[int]{Key: s.key, Offset: dmap.WholeObject, Next: dmap.Cursor{Offset: 1}}, nil)
	}
}

func TestKeysWithTerminalEscapesAreQuotedInErrorsAndLogs(t *testing.T) {
	for _, key := range []string{"a\x1b[2J\x1b[1;31mb", "a\nFAKE log line", "a\rb", "a\u009bb", "a\u202eb", "a\x00b"} {
		for _, cause := range []error{errors.New("no"), errors.New("about " + key)} {
			var log logLines
			_, err := dmap.Map(t.Context(), dmap.Source[int](named{key}), func(context.Context, int) (int, error) { return 0, cause },
				dmap.Options{Logger: log.logger(0)})
			text := err.Error()
			require.False(t, strings.ContainsAny(text, "\x1b\r\x00\u009b\u202e"), "%q", text)
			require.NotContains(t, text, "\nFAKE log line: ")
			item := &dmap.ItemError{Info: dmap.Info{Key: key, Offset: dmap.WholeObject}, Err: cause}
			require.False(t, strings.ContainsAny(item.Error(), "\x1b\r\x00\u009b\u202e"), "%q", item)
			require.NotEmpty(t, log.about(t, "first failure of a class"))
		}
	}
}

// big is an error with a long text.
type big struct{ size int }

func (e big) Error() string { return strings.Repeat("x", e.size) }
func (big) Class() string   { return "big" }

func TestAnErrorWithALongTextIsKeptShort(t *testing.T) {
	out := &keep[int]{}
	stats, err := dmap.Map(t.Context(), numbers(20), func(context.Context, int) (int, error) { return 0, big{1 << 20} },
		dmap.Options{Tolerance: dmap.Tolerance{Count: 19}}, dmap.Sink[int](out))
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.EqualValues(t, 20, stats.Failed)
	require.Less(t, len(err.Error()), 64<<10)
	for _, r := range out.results {
		require.Less(t, len(r.Err.Error()), 16<<10)
		require.Equal(t, "big", dmap.Class(r.Err))
	}
	_, err = dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) { return 0, big{10} }, dmap.Options{}, dmap.Sink[int](out))
	var own big
	require.ErrorAs(t, err, &own, "a short one is kept as it is")
}

// unwraps is an error that unwraps to itself.
type unwraps struct{}

func (unwraps) Error() string   { return "unwraps" }
func (e unwraps) Unwrap() error { return e }

func TestACyclicErrorCostsOneItem(t *testing.T) {
	for name, o := range map[string]dmap.Options{
		"plain": {}, "timeout": {Timeout: 1 << 40}, "retries": {Retry: dmap.Retry{MaxAttempts: 3, Initial: 1}},
		"retryable": {Retry: dmap.Retry{MaxAttempts: 2, Initial: 1, Retryable: func(error) bool { return true }}},
	} {
		o.Tolerance = dmap.Tolerance{Count: 1}
		stats, err := dmap.Map(t.Context(), numbers(10), func(_ context.Context, n int) (int, error) {
			if n == 5 {
				return 0, unwraps{}
			}
			return n, nil
		}, o)
		require.NoError(t, err, name)
		require.EqualValues(t, 1, stats.Failed)
		require.EqualValues(t, 9, stats.Succeeded)
	}
	_, err := dmap.Map(t.Context(), brokenSource{unwraps{}}, double, dmap.Options{})
	require.NotErrorIs(t, err, context.Canceled, "also where the caller asks")
	_, err = dmap.Map(t.Context(), numbers(10), double, dmap.Options{}, dmap.Sink[int](failingSink{unwraps{}}))
	require.NotErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, dmap.ExitCode(err))
}
