package sink_test

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// small is a whole run of 12 results and one pending item in several parts. It returns the first
// error of each step.
func small(t *testing.T, bucket *blob.Bucket) (begin, write, flush, end error) {
	t.Helper()
	f := sink.Bucket[int](bucket, "out", sink.BucketOptions{PartBytes: 360})
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

// lossless holds for every run that has a manifest: each of the 13 items is in a part or named as
// lost.
func lossless(t *testing.T, bucket *blob.Bucket, m *results.Run) {
	t.Helper()
	n := len(collect(t, results.Successes[int](t.Context(), bucket, m))) + len(collect(t, results.Failures(t.Context(), bucket, m))) +
		len(collect(t, results.Pending(t.Context(), bucket, m)))
	for _, l := range m.Lost {
		n += int(l.Records)
	}
	require.Equal(t, 13, n)
	require.Equal(t, len(m.Lost) > 0, m.Status == results.Failed)
}

// Every write of a run fails once, in every way. Either nothing is lost and there is no error, or
// the loss is an error that names part, items and cause, and the manifest lists it. All stored
// objects are whole.
func TestAFaultAtEveryWriteIsHarmlessOrNamed(t *testing.T) {
	objects := 0
	synctest.Test(t, func(t *testing.T) { // whose times have the same length as below
		plain := dmaptest.NewFaultBucket(t, memory(t))
		begin, write, flush, end := small(t, plain.Bucket)
		require.NoError(t, errors.Join(begin, write, flush, end))
		objects = plain.Calls(dmaptest.OpCreate)
		require.Equal(t, 9, objects)
	})

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
	m, err := results.Load(t.Context(), bucket.Bucket, "out", "r")
	switch {
	case begin != nil:
		require.ErrorContains(t, begin, "out/r/run.json")
		require.Empty(t, keys(t, bucket.Bucket))
	case errors.Is(err, results.ErrNoManifest):
		require.ErrorContains(t, end, "out/r/manifest-000.json")
	default:
		require.NoError(t, err)
		lossless(t, bucket.Bucket, m)
		if len(m.Lost) > 0 {
			named(t, errors.Join(flush, end), m.Lost[0])
		}
	}
}

// The reader detects an object that the store reported as written and did not write whole: it
// yields no record of it.
func TestReadingDetectsAStoreThatDropsBytes(t *testing.T) {
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
		m, err := results.Load(t.Context(), bucket.Bucket, "out", "r")
		if err == nil {
			ok, bad, open := results.Successes[int](t.Context(), bucket.Bucket, m), results.Failures(t.Context(), bucket.Bucket, m),
				results.Pending(t.Context(), bucket.Bucket, m)
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

// lostOf is e as the manifest lists it.
func lostOf(e *sink.LostError) results.Lost {
	return results.Lost{Part: e.Part, Status: e.Status, Records: e.Records, First: e.First, Last: e.Last, Error: e.Err.Error()}
}

// named checks that err names the records that the manifest lists as lost.
func named(t *testing.T, err error, l results.Lost) {
	t.Helper()
	lost, ok := errors.AsType[*sink.LostError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, l, lostOf(lost))
	require.ErrorIs(t, err, dmaptest.ErrInjected)
	for _, part := range []string{l.Part, l.First, l.Last, fmt.Sprint(l.Records), l.Status} {
		require.ErrorContains(t, err, part)
	}
}

func TestAStoreThatIsGoneFailsTheRunAndListsTheLosses(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Nth: 2, Sticky: true, Err: errors.New("disk on fire")})
	_, write, flush, end := small(t, bucket.Bucket)
	require.ErrorContains(t, flush, "disk on fire")
	if write != nil { // the upload may not have failed before the last Write
		require.ErrorContains(t, write, "disk on fire")
	}
	require.Equal(t, 7, strings.Count(flush.Error(), "lost "), flush)
	require.ErrorContains(t, end, "PENDING")
	require.ErrorContains(t, end, "manifest-000.json")
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
	m, err := results.Load(t.Context(), bucket.Bucket, "out", "r")
	require.NoError(t, err)
	require.Len(t, m.Lost, 1)
	got := collect(t, results.Successes[int](t.Context(), bucket.Bucket, m))
	require.EqualValues(t, 1000, got[len(got)-1].Offset)
}

func TestAnotherManifestIsNotOverwritten(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		f := begun[int](t, bucket)
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest-000.json", []byte("{}"), nil))
		require.ErrorContains(t, f.End(t.Context(), dmap.Ending{}), "exists already")
		require.Equal(t, "{}", read(t, bucket, "out/r/manifest-000.json"))
	})
}
