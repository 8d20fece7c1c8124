package sink_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
)

// small is a whole run of 12 results and one pending item in several parts. It returns the first error of each step.
func small(t *testing.T, bucket *blob.Bucket) (begin, write, flush, end error) {
	t.Helper()
	f := sink.Bucket[int](bucket, "out", sink.BucketOptions{PartBytes: 300})
	if begin = f.Begin(t.Context(), dmap.RunSpec{RunID: "r"}); begin != nil {
		return begin, nil, nil, nil
	}
	for n := range 12 {
		r := row(n, n)
		if n%3 == 0 {
			r = failure(n, errors.New("bad"))
		}
		if err := f.Write(t.Context(), one(r)); err != nil && write == nil {
			write = err
		}
	}
	flush = f.Flush(t.Context())
	end = f.End(t.Context(), dmap.Ending{
		Stats: dmap.Stats{Read: 13, Succeeded: 8, Failed: 4, Pending: 1}, Pending: []dmap.Pending{{Info: dmap.Info{Key: "k", Offset: -1}}},
	})
	return nil, write, flush, end
}

// lossless holds for every run that has a manifest: each of the 13 items is in a part or named as lost.
func lossless(t *testing.T, bucket *blob.Bucket, m *sink.Manifest) {
	t.Helper()
	n := len(collect(t, sink.Successes[int](t.Context(), bucket, m))) + len(collect(t, m.Failures(t.Context(), bucket))) +
		len(collect(t, m.Unsettled(t.Context(), bucket)))
	for _, l := range m.Lost {
		n += int(l.Records)
	}
	require.Equal(t, 13, n)
	require.Equal(t, len(m.Lost) > 0, m.Status == sink.Failed)
}

// Every write of a run fails once, in every way: either nothing is lost and nobody says so, or the loss is an error, names
// part, items and cause, and stands in the manifest; and what stands in the bucket is whole.
func TestAFaultAtEveryWriteIsHarmlessOrNamed(t *testing.T) {
	plain := dmaptest.NewFaultBucket(t, memory(t))
	begin, write, flush, end := small(t, plain.Bucket)
	require.NoError(t, errors.Join(begin, write, flush, end))
	objects := plain.Calls(dmaptest.OpCreate)
	require.Equal(t, 9, objects)

	for _, fault := range []dmaptest.Fault{
		{Op: dmaptest.OpCreate}, {Op: dmaptest.OpWrite}, {Op: dmaptest.OpClose},
		{Op: dmaptest.OpClose, Kind: dmaptest.Lost}, {Op: dmaptest.OpClose, Err: syscall.ECONNRESET},
	} {
		for nth := 1; nth <= objects; nth++ {
			fault := fault
			fault.Nth = nth
			t.Run(fmt.Sprintf("%s %s %v %d", fault.Kind, fault.Op, fault.Err, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { survive(t, fault) })
			})
		}
	}
}

func survive(t *testing.T, fault dmaptest.Fault) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	hits := bucket.Inject(fault)
	begin, _, flush, end := small(t, bucket.Bucket)
	require.Equal(t, 1, hits())
	bucket.Heal()

	if harmless := fault.Kind == dmaptest.Lost || fault.Err != nil; harmless {
		require.NoError(t, errors.Join(begin, flush, end))
	}
	m, err := sink.LoadManifest(t.Context(), bucket.Bucket, "out", "r")
	switch {
	case begin != nil:
		require.ErrorContains(t, begin, "out/r/run.json")
		require.Empty(t, keys(t, bucket.Bucket))
	case errors.Is(err, sink.ErrNoManifest):
		require.ErrorContains(t, end, "out/r/manifest.json")
	default:
		require.NoError(t, err)
		lossless(t, bucket.Bucket, m)
		if len(m.Lost) > 0 {
			named(t, errors.Join(flush, end), m.Lost[0])
		}
	}
}

// A store that says it has written and has not is found out by the reader, who gets no record of that object.
func TestAStoreThatDropsBytesSilentlyIsFoundOutOnReading(t *testing.T) {
	for nth := 2; nth <= 9; nth++ {
		bucket := dmaptest.NewFaultBucket(t, memory(t))
		bucket.Record(dmaptest.OpClose)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpWrite, Nth: nth, Kind: dmaptest.Short, After: 5})
		begin, write, flush, end := small(t, bucket.Bucket)
		require.NoError(t, errors.Join(begin, write, flush, end))
		var short string
		for _, call := range bucket.Log() {
			if call.Bytes == 5 {
				short = call.Key
			}
		}
		m, err := sink.LoadManifest(t.Context(), bucket.Bucket, "out", "r")
		if err == nil {
			ok, bad, open := sink.Successes[int](t.Context(), bucket.Bucket, m), m.Failures(t.Context(), bucket.Bucket),
				m.Unsettled(t.Context(), bucket.Bucket)
			err = errors.Join(last(ok), last(bad), last(open))
		}
		require.ErrorContains(t, err, short)
	}
}

// last is the error that seq ends with.
func last[T any](seq iter.Seq2[T, error]) (err error) {
	for _, e := range seq {
		err = e
	}
	return err
}

func named(t *testing.T, err error, l sink.Lost) {
	t.Helper()
	lost, ok := errors.AsType[*sink.LostError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, l, lost.Lost)
	require.ErrorIs(t, err, dmaptest.ErrInjected)
	for _, part := range []string{l.Part, l.First, l.Last, fmt.Sprint(l.Records), l.Status} {
		require.ErrorContains(t, err, part)
	}
}

func TestAStoreThatIsGoneForGoodFailsTheRunWithAllThatIsLost(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Nth: 2, Sticky: true, Err: errors.New("disk on fire")})
	_, write, flush, end := small(t, bucket.Bucket)
	require.ErrorContains(t, flush, "disk on fire")
	if write != nil { // the upload may not have failed before the last Write
		require.ErrorContains(t, write, "disk on fire")
	}
	require.Equal(t, 6, strings.Count(flush.Error(), "lost "), flush)
	require.ErrorContains(t, end, "PENDING")
	require.ErrorContains(t, end, "manifest.json")
	require.Equal(t, []string{"out/r/run.json"}, keys(t, bucket.Bucket))
}

func TestAFailedPartIsReportedByTheNextWrite(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	f := begun[int](t, bucket.Bucket, sink.BucketOptions{PartBytes: 100})
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose})
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = f.Write(t.Context(), one(row(n, n)))
	}
	lost, ok := errors.AsType[*sink.LostError](err)
	require.True(t, ok)
	require.EqualValues(t, 1, lost.Records)
	require.Error(t, f.Write(t.Context(), one(row(1000, 0))), "and by every later one, which are kept all the same")
	require.ErrorIs(t, f.Flush(t.Context()), lost)
	require.NoError(t, f.End(t.Context(), dmap.Ending{}))
	m, err := sink.LoadManifest(t.Context(), bucket.Bucket, "out", "r")
	require.NoError(t, err)
	require.Len(t, m.Lost, 1)
	got := collect(t, sink.Successes[int](t.Context(), bucket.Bucket, m))
	require.EqualValues(t, 1000, got[len(got)-1].Offset)
}

func TestAnotherManifestIsNotOverwritten(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		f := begun[int](t, bucket)
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest.json", []byte("{}"), nil))
		require.ErrorContains(t, f.End(t.Context(), dmap.Ending{}), "exists already")
		require.Equal(t, "{}", read(t, bucket, "out/r/manifest.json"))
	})
}

func TestAPartThatWasChangedIsNotRead(t *testing.T) {
	changes := map[string]struct {
		change func(string) string
		want   string
	}{
		"flipped":  {func(s string) string { return strings.Replace(s, `"output":1`, `"output":2`, 1) }, "SHA-256"},
		"shorter":  {func(s string) string { return s[:len(s)-3] }, "the manifest says"},
		"longer":   {func(s string) string { return s + "{}\n" }, "at most"},
		"replaced": {func(s string) string { return strings.Repeat("\n", len(s)) }, "SHA-256"},
	}
	for name, test := range changes {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			f := begun[int](t, bucket, sink.BucketOptions{PartBytes: 300})
			for n := range 10 {
				require.NoError(t, f.Write(t.Context(), one(row(n, 1))))
			}
			m := ended(t, bucket, f, dmap.Ending{})
			second := m.ResultFiles.Succeeded[1].Key
			require.NoError(t, bucket.WriteAll(t.Context(), second, []byte(test.change(read(t, bucket, second))), nil))
			var got int
			var err error
			for _, e := range sink.Successes[int](t.Context(), bucket, m) {
				if err = e; e == nil {
					got++
				}
			}
			require.EqualValues(t, m.ResultFiles.Succeeded[0].Records, got, "nothing of the changed part is yielded")
			require.ErrorContains(t, err, second)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestAMissingPartIsAnError(t *testing.T) {
	bucket := memory(t)
	f := begun[int](t, bucket)
	require.NoError(t, f.Write(t.Context(), one(row(0, 1))))
	m := ended(t, bucket, f, dmap.Ending{})
	require.NoError(t, bucket.Delete(t.Context(), m.ResultFiles.Succeeded[0].Key))
	require.ErrorContains(t, last(sink.Successes[int](t.Context(), bucket, m)), m.ResultFiles.Succeeded[0].Key)
}

func TestARecordOfAnotherTypeNamesPartAndLine(t *testing.T) {
	bucket := memory(t)
	f := begun[any](t, bucket)
	require.NoError(t, f.Write(t.Context(), []dmap.Result[any]{row[any](0, 1), row[any](1, "text")}))
	m := ended(t, bucket, f, dmap.Ending{})
	err := last(sink.Successes[int](t.Context(), bucket, m))
	require.ErrorContains(t, err, m.ResultFiles.Succeeded[0].Key)
	require.ErrorContains(t, err, "line 2")
}

func TestReadingMayStopAnywhere(t *testing.T) {
	bucket := memory(t)
	f := begun[int](t, bucket)
	require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{row(0, 1), row(1, 2)}))
	m := ended(t, bucket, f, dmap.Ending{})
	for r, err := range sink.Successes[int](t.Context(), bucket, m) {
		require.NoError(t, err)
		require.Equal(t, 1, r.Output)
		break
	}
}

func TestManifestsThatNoRunWritesAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"not JSON":       {`<html>`, "invalid character"},
		"cut off":        {`{"Format":1,"RunID":"r","ResultFiles":{"SUCC`, "unexpected end"},
		"no format":      {`{"RunID":"r"}`, "format 0"},
		"newer":          {`{"Format":2,"RunID":"r"}`, "format 2"},
		"other run":      {`{"Format":1,"RunID":"q"}`, `run "q"`},
		"other folder":   {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"secret/FAILED_1.jsonl"}]}}`, "not one of folder"},
		"outside":        {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/../x.jsonl"}]}}`, "not one of folder"},
		"itself":         {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/manifest.json"}]}}`, "not one of folder"},
		"twice":          {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/a.jsonl"},{"Key":"out/r/a.jsonl"}]}}`, "twice"},
		"negative":       {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/a.jsonl","Size":-1}]}}`, "size -1"},
		"enormous":       {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/a.jsonl","Size":9223372036854775807}]}}`, "size 9"},
		"a million more": {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[` + strings.Repeat(`{},`, 1_000_000) + `{}]}}`, "1000000 parts"},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest.json", []byte(test.text), nil))
			_, err := sink.LoadManifest(t.Context(), bucket, "out", "r")
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "out/r/manifest.json")
		})
	}
}

func TestAManifestOfALaterMinorVersionIsStillRead(t *testing.T) {
	bucket := memory(t)
	f := begun[int](t, bucket)
	require.NoError(t, f.Write(t.Context(), one(row(0, 1))))
	ended(t, bucket, f, dmap.Ending{})
	text := strings.Replace(read(t, bucket, "out/r/manifest.json"), "{", `{"Added": {"later": true},`, 1)
	require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest.json", []byte(text), nil))
	m, err := sink.LoadManifest(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	require.Len(t, collect(t, sink.Successes[int](t.Context(), bucket, m)), 1)
	require.True(t, slices.IsSortedFunc(m.ResultFiles.Succeeded, func(a, b sink.Part) int { return strings.Compare(a.Key, b.Key) }))
	require.WithinDuration(t, time.Now(), m.Stopped, time.Minute)
}
