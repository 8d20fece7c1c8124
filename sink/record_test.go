package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// lines returns the SUCCEEDED records as they are stored.
func lines(t *testing.T, bucket *blob.Bucket, m *results.Run) []string {
	t.Helper()
	var all []string
	for _, p := range m.SucceededParts {
		got := strings.Split(strings.TrimSuffix(read(t, bucket, p.Key), "\n"), "\n")
		require.Len(t, got, int(p.Records))
		all = append(all, got...)
	}
	return all
}

type marshaler func() ([]byte, error)

func (m marshaler) MarshalJSON() ([]byte, error) { return m() }

type cycle struct{ Next *cycle }

func TestAnOutputThatCannotBeEncodedCostsItsOwnItem(t *testing.T) {
	loop := &cycle{}
	loop.Next = loop
	bad := map[string]any{
		"NaN":         math.NaN(),
		"Inf":         math.Inf(1),
		"chan":        make(chan int),
		"func":        func() {},
		"cyclic":      loop,
		"MarshalJSON": marshaler(func() ([]byte, error) { return nil, errors.New("not today") }),
		"panic":       marshaler(func() ([]byte, error) { panic("boom") }),
		"invalid":     marshaler(func() ([]byte, error) { return []byte("{"), nil }),
		"empty":       marshaler(func() ([]byte, error) { return nil, nil }),
		"number":      json.Number("12x"),
	}
	for _, form := range []sink.Records{sink.Full, sink.Compact, sink.Flatten} {
		for name, value := range bad {
			t.Run(fmt.Sprintf("%s %s", form, name), func(t *testing.T) {
				bucket := memory(t)
				f := begun[any](t, bucket, sink.BucketOptions{Records: form})
				err := f.Write(t.Context(), []dmap.Result[any]{row[any](0, "a"), row(1, value), row[any](2, "c")})
				rejected, ok := errors.AsType[batch.Errors](err)
				require.True(t, ok, "%v", err)
				require.Len(t, rejected, 1, "the engine gets the error, so that the item counts as failed")
				require.ErrorContains(t, rejected[1], "encode the output: ")
				again := row[any](1, nil) // what the engine writes then
				again.Err = rejected[1]
				require.NoError(t, f.Write(t.Context(), []dmap.Result[any]{again}))
				m := ended(t, bucket, f, dmap.Ending{})

				good := collect(t, results.Successes[any](t.Context(), bucket, m))
				require.Len(t, good, 2)
				require.Equal(t, []any{"a", "c"}, []any{good[0].Output, good[1].Output})
				failed := collect(t, results.Failures(t.Context(), bucket, m))
				require.Len(t, failed, 1)
				require.Equal(t, "rows.csv@1", failed[0].ID)
				require.Equal(t, "encode", failed[0].Class)
				require.Contains(t, failed[0].Error, "encode the output: ")
				require.JSONEq(t, `"row 1"`, string(failed[0].Input))
			})
		}
	}
}

func TestGoexitInMarshalJSONCostsOneItem(t *testing.T) {
	goexit := marshaler(func() ([]byte, error) {
		runtime.Goexit()
		return nil, nil
	})
	bucket := memory(t)
	f := begun[any](t, bucket, sink.BucketOptions{Inputs: sink.InputsAll})
	bad := row[any](2, 1)
	bad.Input = goexit
	failed := row[any](3, nil)
	failed.Err, failed.Input = errors.New("bad"), goexit
	var rejected batch.Errors
	require.ErrorAs(t, f.Write(t.Context(), []dmap.Result[any]{row[any](0, 1), row[any](1, goexit), bad, failed, row[any](4, 1)}), &rejected)
	require.Len(t, rejected, 1)
	require.ErrorContains(t, rejected[1], "Goexit")
	require.Equal(t, "encode", dmap.Class(rejected[1]))
	require.NoError(t, f.Flush(t.Context()))
	require.NoError(t, f.End(t.Context(), dmap.Ending{Pending: []dmap.Pending{
		{Info: dmap.Info{Key: "a"}, Input: goexit}, {Info: dmap.Info{Key: "b"}, Input: new(int)},
	}}))
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	var offsets []int64
	for _, r := range collect(t, results.Successes[any](t.Context(), bucket, m)) {
		offsets = append(offsets, r.Offset)
	}
	require.Equal(t, []int64{0, 2, 4}, offsets)
	failures := collect(t, results.Failures(t.Context(), bucket, m))
	require.Len(t, failures, 1)
	require.Contains(t, failures[0].InputError, "Goexit")
	pending := collect(t, results.Pending(t.Context(), bucket, m))
	require.Len(t, pending, 2)
	require.Contains(t, pending[0].InputError, "Goexit")
	require.Equal(t, "0", string(pending[1].Input))
}

// leaving ends the goroutine that decodes it.
type leaving struct{ A int }

func (*leaving) UnmarshalJSON([]byte) error { runtime.Goexit(); return nil }

// leavingText is leaving as the key of a map.
type leavingText string

func (*leavingText) UnmarshalText([]byte) error { runtime.Goexit(); return nil }

// The sink reads the input of a failure back, which may end the goroutine, too.
func TestGoexitInUnmarshalJSONCostsNoRecord(t *testing.T) {
	for name, input := range map[string]any{"JSON": &leaving{1}, "text": &map[leavingText]int{"a": 1}} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			f := begun[int](t, bucket)
			written := make(chan error, 1)
			failed := row[int](0, 0)
			failed.Err, failed.Input = errors.New("bad"), input
			go func() {
				defer close(written)
				written <- f.Write(t.Context(), []dmap.Result[int]{failed, row(1, 1)})
			}()
			err, returned := <-written
			require.True(t, returned, "the goroutine of the worker has ended")
			require.NoError(t, err)
			m := ended(t, bucket, f, dmap.Ending{Pending: []dmap.Pending{{Info: dmap.Info{Key: "a"}, Input: input}}})
			require.Len(t, collect(t, results.Successes[int](t.Context(), bucket, m)), 1)
			failures := collect(t, results.Failures(t.Context(), bucket, m))
			require.Len(t, failures, 1)
			require.NotEmpty(t, failures[0].Input)
			require.Contains(t, failures[0].InputError, "read the item from its source again")
			require.Len(t, collect(t, results.Pending(t.Context(), bucket, m)), 1)
		})
	}
}

// lateError ends the goroutine in one of its methods.
type lateError struct{ in string }

func (e *lateError) exit(in string) {
	if e.in == in {
		runtime.Goexit()
	}
}

func (e *lateError) Error() string { e.exit("Error"); return "late" }
func (e *lateError) Class() string { e.exit("Class"); return "late" }
func (e *lateError) Unwrap() error { e.exit("Unwrap"); return nil }
func (e *lateError) Is(error) bool { e.exit("Is"); return false }
func (e *lateError) As(any) bool   { e.exit("As"); return false }

// Goexit in a method of a value or of an error costs one item of a run, not its sink.
func TestGoexitInAMethodCostsARunOneItem(t *testing.T) {
	for _, in := range []string{"MarshalJSON", "Error", "Class", "Unwrap", "Is", "As"} {
		t.Run(in, func(t *testing.T) {
			bucket := memory(t)
			run := func(tolerated int64) (dmap.Stats, error) {
				return dmap.Map(t.Context(), upTo(50), func(_ context.Context, i int) (any, error) {
					switch {
					case i != 17:
						return i, nil
					case in == "MarshalJSON":
						return marshaler(func() ([]byte, error) { runtime.Goexit(); return nil, nil }), nil
					default:
						return nil, &lateError{in}
					}
				}, dmap.Options{RunID: fmt.Sprint("r", tolerated), MaxConcurrency: 3, Tolerance: dmap.Tolerance{Count: tolerated}},
					sink.Bucket[any](bucket, "out"))
			}
			stats, err := run(1)
			require.NoError(t, err)
			require.EqualValues(t, 1, stats.Failed)
			require.EqualValues(t, 49, stats.Succeeded)
			m, err := results.Load(t.Context(), bucket, "out", "r1")
			require.NoError(t, err)
			require.Len(t, collect(t, results.Successes[any](t.Context(), bucket, m)), 49)
			failures := collect(t, results.Failures(t.Context(), bucket, m))
			require.Len(t, failures, 1)
			require.Equal(t, "n@17", failures[0].ID)
			require.JSONEq(t, "17", string(failures[0].Input))
			require.NotEmpty(t, failures[0].Class)
			require.NotEmpty(t, failures[0].Error)
		})
	}
}

func TestAnInputThatCannotBeEncodedSaysWhy(t *testing.T) {
	bucket := memory(t)
	f := begun[int](t, bucket)
	r := failure(0, errors.New("bad"))
	input := math.NaN()
	r.Input = &input
	require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{r}))
	m := ended(t, bucket, f, dmap.Ending{})
	failed := collect(t, results.Failures(t.Context(), bucket, m))
	require.Contains(t, failed[0].InputError, "NaN")
	require.Empty(t, failed[0].Input)
	require.Equal(t, "bad", failed[0].Error)
}

type wildError struct{ text func() string }

func (e *wildError) Error() string { return e.text() }

type classlessError struct{ error }

func (classlessError) Class() string { panic("no class") }

func TestErrorTextIsShortAndValid(t *testing.T) {
	for name, test := range map[string]struct {
		err         error
		class, text string
	}{
		"panics":  {&wildError{func() string { panic("boom") }}, "error", "*sink_test.wildError, whose Error method panicked: boom"},
		"nil":     {(*wildError)(nil), "error", "nil pointer"},
		"huge":    {errors.New(strings.Repeat("é", 50<<20)), "error", strings.Repeat("é", 2<<10)},
		"invalid": {errors.New("a\xff\xfeb"), "error", "a\uFFFDb"},
		"class":   {classlessError{errors.New("x")}, "error", "x"},
		"timeout": {fmt.Errorf("call: %w", &dmap.ReadError{Err: errors.New("bad row")}), "read", "call: read: bad row"},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			f := begun[int](t, bucket)
			require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{failure(0, test.err)}))
			m := ended(t, bucket, f, dmap.Ending{Err: test.err})
			failed := collect(t, results.Failures(t.Context(), bucket, m))
			require.Len(t, failed, 1)
			require.Equal(t, test.class, failed[0].Class)
			require.Contains(t, failed[0].Error, test.text)
			require.LessOrEqual(t, len(failed[0].Error), 4<<10)
			require.True(t, utf8.ValidString(failed[0].Error))
			require.LessOrEqual(t, len(m.Error), 4<<10)
		})
	}
}

//go:noinline
func explode() { panic("boom") }

func TestAPanicKeepsTheStackFromWhereItPanicked(t *testing.T) {
	caught := func() (err *dmap.PanicError) {
		defer func() { err = &dmap.PanicError{Value: recover(), Stack: debug.Stack()} }()
		explode()
		return nil
	}()
	bucket := memory(t)
	f := begun[int](t, bucket)
	require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{failure(0, fmt.Errorf("call: %w", caught))}))
	failed := collect(t, results.Failures(t.Context(), bucket, ended(t, bucket, f, dmap.Ending{})))
	require.Equal(t, "panic", failed[0].Class)
	require.True(t, strings.HasPrefix(failed[0].Stack, "github.com/go-dmap/dmap/sink_test.explode("), failed[0].Stack)
	require.LessOrEqual(t, len(failed[0].Stack), 4<<10)
}

func TestFormsOfRecords(t *testing.T) {
	type out = any
	write := func(t *testing.T, opts sink.BucketOptions) (*blob.Bucket, *results.Run) {
		bucket := memory(t)
		f := begun[out](t, bucket, opts)
		bad := row[out](3, nil)
		bad.Err = errors.New("bad")
		require.NoError(t, f.Write(t.Context(), []dmap.Result[out]{
			row[out](0, []any{1, "two, ]\"", []any{}, map[string]any{"k": []any{3}}}), row[out](1, []any{}), row[out](2, "<a&b>"), bad,
		}))
		return bucket, ended(t, bucket, f, dmap.Ending{Stats: dmap.Stats{Succeeded: 3, Failed: 1}})
	}
	t.Run("compact", func(t *testing.T) {
		bucket, m := write(t, sink.BucketOptions{Records: sink.Compact})
		require.Equal(t, []string{`[1,"two, ]\"",[],{"k":[3]}]`, `[]`, `"<a&b>"`}, lines(t, bucket, m))
	})
	t.Run("flatten", func(t *testing.T) {
		bucket, m := write(t, sink.BucketOptions{Records: sink.Flatten})
		require.Equal(t, []string{`1`, `"two, ]\""`, `[]`, `{"k":[3]}`, `"<a&b>"`}, lines(t, bucket, m))
		require.Equal(t, "two, ]\"", collect(t, results.Successes[any](t.Context(), bucket, m))[1].Output)
	})
	t.Run("failures only", func(t *testing.T) {
		bucket, m := write(t, sink.BucketOptions{Records: sink.FailuresOnly})
		require.Empty(t, m.SucceededParts)
		require.EqualValues(t, 3, m.Stats.Succeeded)
		require.Equal(t, "rows.csv@3", collect(t, results.Failures(t.Context(), bucket, m))[0].ID)
	})
	t.Run("full", func(t *testing.T) {
		bucket, m := write(t, sink.BucketOptions{})
		want := `{"id":"rows.csv@2","key":"rows.csv","offset":2,"split":"s1","index":2,"attempts":1,"elapsed":1000000,"output":"<a&b>"}`
		require.Contains(t, lines(t, bucket, m), want)
	})
	t.Run("inputs of all", func(t *testing.T) {
		bucket, m := write(t, sink.BucketOptions{Inputs: sink.InputsAll})
		require.JSONEq(t, `"row 1"`, string(collect(t, results.Successes[any](t.Context(), bucket, m))[1].Input))
	})
	t.Run("inputs of none", func(t *testing.T) {
		bucket, m := write(t, sink.BucketOptions{Inputs: sink.InputsNone})
		failed := collect(t, results.Failures(t.Context(), bucket, m))
		require.Empty(t, failed[0].Input)
		require.Equal(t, "bad", failed[0].Error)
	})
}

func TestALargeOutputIsOneRecord(t *testing.T) {
	bucket := memory(t)
	f := begun[string](t, bucket)
	large := strings.Repeat("0123456789", 1<<20)
	require.NoError(t, f.Write(t.Context(), []dmap.Result[string]{row(0, "small"), row(1, large), row(2, "small")}))
	m := ended(t, bucket, f, dmap.Ending{})
	got := collect(t, results.Successes[string](t.Context(), bucket, m))
	require.Len(t, got, 3)
	require.Equal(t, large, got[1].Output)
	require.Equal(t, "small", got[2].Output)
}

func TestStatusTellsCancellationFromFailure(t *testing.T) {
	for err, want := range map[error]results.Status{
		nil:                                  results.Succeeded,
		dmap.ErrCanceled:                     results.Canceled,
		errors.New("the caller's own cause"): results.Canceled,
		&dmap.ToleranceError{}:               results.Failed,
		&dmap.SourceError{Err: errors.New("gone")}:                             results.Failed,
		fmt.Errorf("%w", &dmap.SinkError{Op: "write", Err: t.Context().Err()}): results.Failed,
		fmt.Errorf("%w: sums", dmap.ErrInternal):                               results.Failed,
	} {
		bucket := memory(t)
		require.Equal(t, want, ended(t, bucket, begun[int](t, bucket), dmap.Ending{Err: err}).Status, "%v", err)
	}
}
