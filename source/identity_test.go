package source_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// ownSource is a source without a Plan.
type ownSource []string

func (ownSource) String() string { return "own" }

func (s ownSource) Items(ctx context.Context) iter.Seq2[dmap.Item[string], error] {
	return func(yield func(dmap.Item[string], error) bool) {
		for i, v := range s {
			if ctx.Err() != nil {
				yield(dmap.Item[string]{}, context.Cause(ctx))
				return
			}
			if !yield(dmap.Item[string]{Key: "row", Offset: int64(i), Index: int64(i), Value: v}, nil) {
				return
			}
		}
	}
}

func upper(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil }

// valueSources are sources of values that have no object to take a version from.
func valueSources() map[string]func(list []string) dmap.Source[string] {
	slice := func(list []string) dmap.Source[string] { return source.Slice(list) }
	seq := func(list []string) dmap.Source[string] { return source.Seq(slices.Values(list)) }
	plain := func(list []string) dmap.Source[string] { return ownSource(list) }
	few := source.Slice([]string{"a", "b"})
	all := map[string]func(list []string) dmap.Source[string]{}
	for name, of := range map[string]func(list []string) dmap.Source[string]{"slice": slice, "sequence": seq, "own": plain} {
		all[name] = of
		all["filter of "+name] = func(list []string) dmap.Source[string] {
			return source.Filter(of(list), func(s string) bool { return !strings.HasSuffix(s, "3") })
		}
		all["transform of "+name] = func(list []string) dmap.Source[string] { return source.Transform(of(list), upper) }
		all["concat of "+name] = func(list []string) dmap.Source[string] {
			return source.Concat(few, source.Transform(of(list), upper), source.Seq(slices.Values([]string{"z"})))
		}
	}
	return all
}

// names are n values, all different.
func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("name %d", i)
	}
	return list
}

// process runs src into a bucket, in virtual time, and suspends the run after some calls: the calls
// in flight and some others are not settled. 0: it runs to the end.
func process[T any](t *testing.T, bucket *blob.Bucket, src dmap.Source[T], calls, concurrency int) (called []T, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { called, err = processNow(t, bucket, src, calls, concurrency) })
	return called, err
}

func processNow[T any](t *testing.T, bucket *blob.Bucket, src dmap.Source[T], calls, concurrency int) (called []T, err error) {
	ctx, suspend := context.WithCancelCause(t.Context())
	defer suspend(nil)
	var mu sync.Mutex
	_, err = dmap.Map(ctx, src, func(ctx context.Context, v T) (T, error) {
		mu.Lock()
		called = append(called, v)
		n := len(called)
		mu.Unlock()
		switch {
		case calls > 0 && n == calls:
			<-time.After(20 * time.Millisecond) // the source may have ended
			suspend(dmap.ErrSuspended)
		case calls > 0 && n > 1 && n < 5 && concurrency > 1: // these leave gaps
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond): // the other items wait in the chunks of such calls
				suspend(dmap.ErrSuspended)
				<-ctx.Done()
			}
			return v, ctx.Err()
		}
		return v, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: concurrency, DrainTimeout: 200 * time.Millisecond}, sink.Bucket[T](bucket, "out"))
	return called, err
}

// outputs are the results of a run that has ended.
func outputs[T any](t *testing.T, bucket *blob.Bucket) (all []T) {
	t.Helper()
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	for r, err := range results.Successes[T](t.Context(), bucket, m) {
		require.NoError(t, err)
		all = append(all, r.Output)
	}
	return all
}

// requireOnlyOthers checks that no value was called but those of the other sources of a Concat.
func requireOnlyOthers(t *testing.T, called []string) {
	t.Helper()
	for _, v := range called {
		require.Contains(t, []string{"a", "b", "z"}, v)
	}
}

func TestARunResumesOnlyWithTheSameValuesInTheSameOrder(t *testing.T) {
	const n = 200
	for name, of := range valueSources() {
		for _, concurrency := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s, %d calls", name, concurrency), func(t *testing.T) {
				reordered := slices.Clone(names(n))
				slices.Reverse(reordered)
				swapped := slices.Clone(names(n))
				swapped[7], swapped[190] = swapped[190], swapped[7]
				other := slices.Clone(names(n))
				other[0] += "\xff"
				for what, list := range map[string][]string{"reversed": reordered, "swapped": swapped, "other": other} {
					bucket := memory(t, nil)
					_, err := process(t, bucket, of(names(n)), 100, concurrency)
					require.ErrorIs(t, err, dmap.ErrSuspended)
					called, err := process(t, bucket, of(list), 0, concurrency)
					require.ErrorIs(t, err, dmap.ErrSpecChanged, what)
					require.ErrorContains(t, err, "use another RunID")
					require.NotContains(t, err.Error(), "name 7", "no values")
					requireOnlyOthers(t, called)
				}
			})
		}
	}
}

func TestARunOverTheSameValuesResumesAndCallsEachOnce(t *testing.T) {
	const n = 200
	for name, of := range valueSources() {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t, nil)
			for range 4 {
				if _, err := process(t, bucket, of(names(n)), 30, 8); err != nil {
					require.ErrorIs(t, err, dmap.ErrSuspended)
				}
			}
			_, err := process(t, bucket, of(names(n)), 0, 8)
			require.NoError(t, err)
			want := values(read(t, of(names(n))))
			require.ElementsMatch(t, want, outputs[string](t, bucket))
		})
	}
}

// A sequence that has become shorter or longer than what was read of it is another one.
func TestASequenceOfAnotherLengthIsRefused(t *testing.T) {
	for name, of := range valueSources() {
		if strings.Contains(name, "slice") { // whose length is in its name
			continue
		}
		t.Run(name, func(t *testing.T) {
			bucket := memory(t, nil)
			_, err := process(t, bucket, of(names(200)), 60, 1)
			require.ErrorIs(t, err, dmap.ErrSuspended)
			_, err = process(t, bucket, of(names(40)), 0, 1)
			require.ErrorIs(t, err, dmap.ErrSpecChanged)

			bucket = memory(t, nil)
			all := len(values(read(t, of(names(20)))))
			_, err = process(t, bucket, of(names(20)), all, 30) // all are read; three are not settled
			require.ErrorIs(t, err, dmap.ErrSuspended)
			called, err := process(t, bucket, of(names(25)), 0, 1)
			require.ErrorIs(t, err, dmap.ErrSpecChanged)
			requireOnlyOthers(t, called)
		})
	}
}

type row struct {
	Name string
	id   int
	Call func() `dmap:"-"`
}

func rows(ids ...int) []row {
	var list []row
	for _, id := range ids {
		list = append(list, row{"row", id, func() {}})
	}
	return list
}

func TestUnexportedFieldsCountAndTaggedOnesDoNot(t *testing.T) {
	bucket := memory(t, nil)
	ids := func(list []row) dmap.Source[int] {
		return source.Transform(source.Slice(list), func(_ context.Context, r row) (int, error) { return r.id, nil })
	}
	_, err := process(t, bucket, ids(rows(1, 2, 3, 4)), 2, 1)
	require.ErrorIs(t, err, dmap.ErrSuspended)
	_, err = process(t, bucket, ids(rows(4, 3, 2, 1)), 2, 1)
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	_, err = process(t, bucket, ids(rows(1, 2, 3, 4)), 0, 1)
	require.NoError(t, err)
}

type task struct {
	id  string
	run func()
}

func TestValuesThatCannotBeComparedNeedAnIdentity(t *testing.T) {
	tasks := []task{{"a", func() {}}, {"b", func() {}}, {"c", func() {}}}
	id := func(_ context.Context, task task) (string, error) { return task.id, nil }
	identity := source.SliceOptions[task]{Identity: func(task task) string { return task.id }}
	for name, of := range map[string]func(list []task, options ...source.SliceOptions[task]) dmap.Source[task]{
		"Slice": source.Slice[task],
		"Seq": func(list []task, options ...source.SliceOptions[task]) dmap.Source[task] {
			return source.Seq(slices.Values(list), options...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t, nil)
			called, err := process(t, bucket, source.Transform(of(tasks), id), 0, 1)
			require.ErrorContains(t, err, "field run is a func")
			require.ErrorContains(t, err, name+"Options.Identity")
			require.Empty(t, called)
			_, err = process(t, bucket, source.Transform(of(tasks, identity), id), 2, 1)
			require.ErrorIs(t, err, dmap.ErrSuspended, "an open run that another program begins to work on")
			slices.Reverse(tasks)
			_, err = process(t, bucket, source.Transform(of(tasks, identity), id), 2, 1)
			require.ErrorIs(t, err, dmap.ErrSpecChanged)
			slices.Reverse(tasks)
			_, err = process(t, bucket, source.Transform(of(tasks, identity), id), 0, 1)
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"a", "b", "c"}, outputs[string](t, bucket))

			var got sink.Memory[string]
			_, err = dmap.Map(t.Context(), source.Transform(of(tasks), id), upper, dmap.Options{}, &got)
			require.NoError(t, err, "a run without a journal compares nothing")
		})
	}
	_, err := try(t.Context(), source.Slice(tasks, identity, identity))
	require.ErrorContains(t, err, "want at most one")
}

func TestRunsWithoutAJournalDoNotLookAtTheValues(t *testing.T) {
	looked := errors.New("looked at")
	identity := source.SliceOptions[int]{Identity: func(int) string { panic(looked) }}
	_, err := dmap.Map(t.Context(), source.Concat(source.Slice([]int{1, 2, 3}, identity), source.Seq(slices.Values([]int{4}), identity)),
		func(_ context.Context, n int) (int, error) { return n, nil }, dmap.Options{}, sink.Bucket[int](memory(t, nil), "", sink.BucketOptions{Express: true}))
	require.NoError(t, err)
	_, err = process(t, memory(t, nil), source.Slice([]int{1}, identity), 0, 1)
	require.ErrorIs(t, err, looked, "a panic of Identity ends the run")
}

func TestObjectsInASliceAreComparedAsTheyWereListed(t *testing.T) {
	in := memory(t, map[string]string{"a": "1", "b": "2", "c": "3"})
	objects := values(read(t, source.Objects(in, "")))
	keys := func(list []source.Object) dmap.Source[string] { return source.Transform(source.Slice(list), keyOf) }
	bucket := memory(t, nil)
	_, err := process(t, bucket, keys(objects), 1, 1)
	require.ErrorIs(t, err, dmap.ErrSuspended)
	slices.Reverse(objects)
	_, err = process(t, bucket, keys(objects), 1, 1)
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	again := values(read(t, source.Objects(in, "")))
	_, err = process(t, bucket, keys(again), 0, 1)
	require.NoError(t, err)
}

// A redrive reads items again by the split, Version and cursor of their records.
func TestASplitOfASliceIsReadOnlyInTheVersionThatWasStored(t *testing.T) {
	p := plan(source.Transform(source.Slice([]string{"a", "b", "c"}), upper))
	split := splitsOf(t, source.Slice([]string{"a", "b", "c"}))[0]
	var err error
	split.Version, err = p.Version(t.Context(), split)
	require.NoError(t, err)
	split.From = dmap.Cursor{Offset: 1}
	var got []string
	for item, err := range p.Read(t.Context(), split) {
		require.NoError(t, err)
		got = append(got, item.Value)
	}
	require.Equal(t, []string{"B", "C"}, got)
	for item, err := range plan(source.Slice([]string{"b", "a", "c"})).Read(t.Context(), split) {
		require.ErrorIs(t, err, source.ErrChanged)
		require.Zero(t, item)
	}
	for _, id := range []string{"", "item1", "item10000", "item-0", "other0"} {
		for _, err := range p.Read(t.Context(), dmap.Split{ID: id}) {
			require.ErrorContains(t, err, "it has no split")
		}
	}
}
