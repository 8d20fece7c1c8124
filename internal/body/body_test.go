package body_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/body"
	"github.com/go-dmap/dmap/internal/requests"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "data/object"

var errChanged = errors.New("changed")

// content returns random bytes, so that bytes at a wrong offset differ.
func content(n int) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// store returns a bucket that holds data under key, and the object to read.
func store(tb testing.TB, data []byte) (*dmaptest.FaultBucket, body.Object) {
	tb.Helper()
	inner := memblob.OpenBucket(nil)
	tb.Cleanup(func() { require.NoError(tb, inner.Close()) })
	require.NoError(tb, inner.WriteAll(tb.Context(), key, data, nil))
	bucket := dmaptest.NewFaultBucket(tb, inner)
	return bucket, body.Object{
		Bucket: bucket.Bucket, Key: key, Size: -1,
		Changed: func(what, was, now string) error { return fmt.Errorf("%w: %s %s %s", errChanged, what, was, now) },
	}
}

func readFrom(ctx context.Context, o body.Object, offset int64) ([]byte, error) {
	r, err := body.Open(ctx, o, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestBodyThatBreaksOffIsReadToItsEnd(t *testing.T) {
	data := content(10_000)
	for _, fault := range []dmaptest.Fault{
		{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 4000, Err: syscall.ECONNRESET},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 4000},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 0},
		{Op: dmaptest.OpRead, Kind: dmaptest.Fail, Nth: 2},
		{Op: dmaptest.OpRead, Kind: dmaptest.Reset, After: 100, Nth: 2},
	} {
		for _, offset := range []int64{0, 1, 9999} {
			t.Run(fmt.Sprintf("%s of %s from %d", fault.Kind, fault.Op, offset), func(t *testing.T) {
				bucket, object := store(t, data)
				bucket.Inject(fault)
				got, err := readFrom(t.Context(), object, offset)
				require.NoError(t, err)
				require.True(t, bytes.Equal(data[offset:], got))
			})
		}
	}
}

func TestBodyThatBreaksOffAgainAndAgainIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, object := store(t, content(10_000))
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 10, Sticky: true, Err: syscall.ECONNRESET})
		got, err := readFrom(t.Context(), object, 0)
		require.Len(t, got, 60)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.ErrorContains(t, err, `object "data/object" at byte 60 of 10000`)
		require.Equal(t, 6, bucket.Calls(dmaptest.OpOpen))
	})
}

func TestReopeningThatIsRefusedForAMomentIsRepeated(t *testing.T) {
	for name, test := range map[string]struct {
		refusal error
		opens   int
	}{
		"busy":   {errBusy{}, 5},
		"denied": {errors.New("denied"), 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			data := content(10_000)
			bucket, object := store(t, data)
			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 4000, Err: syscall.ECONNRESET})
			for n := range 3 {
				bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Nth: 2 + n, Err: test.refusal})
			}
			got, err := readFrom(t.Context(), object, 0)
			require.Equal(t, test.opens, bucket.Calls(dmaptest.OpOpen), name)
			if name == "denied" {
				require.ErrorIs(t, err, test.refusal)
				require.ErrorContains(t, err, `object "data/object" at byte 4000 of 10000`)
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
		})
	}
}

func TestAReopeningOfASourceOutlastsAStoreThatThrottles(t *testing.T) {
	for name, busy := range map[string]int{"for a while": 9, "for good": 1000} {
		synctest.Test(t, func(t *testing.T) {
			data := content(10_000)
			bucket, object := store(t, data)
			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 4000, Err: syscall.ECONNRESET})
			for n := range busy {
				bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Nth: 2 + n, Err: errBusy{}})
			}
			var limits requests.Limits
			began := time.Now()
			got, err := readFrom(requests.With(t.Context(), &limits), object, 0)
			if name == "for good" {
				require.ErrorIs(t, err, errBusy{})
				require.InDelta(t, 2*time.Minute, time.Since(began), float64(time.Minute))
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
			require.EqualValues(t, busy, limits.Reading.Throttled())
		})
	}
}

type errBusy struct{}

func (errBusy) Error() string     { return "busy" }
func (errBusy) ErrorCode() string { return "SlowDown" }

func TestLongBodyMayBreakOffAnyNumberOfTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := content(40 << 20)
		bucket, object := store(t, data)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 3 << 20, Sticky: true})
		got, err := readFrom(t.Context(), object, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
	})
}

func TestBodyThatStallsIsCutAndReopenedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := content(300_000)
		bucket, object := store(t, data)
		object.Stall = time.Minute
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Kind: dmaptest.Stall, Nth: 5})
		started := time.Now()
		got, err := readFrom(t.Context(), object, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
		require.Equal(t, time.Minute, time.Since(started))

		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Kind: dmaptest.Stall, Nth: 5, Sticky: true})
		started = time.Now()
		_, err = readFrom(t.Context(), object, 0)
		require.ErrorIs(t, err, body.ErrStalled)
		require.ErrorContains(t, err, key)
		require.Equal(t, 2*time.Minute, time.Since(started).Truncate(time.Minute))
	})
}

func TestOpenThatStallsIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, object := store(t, content(10))
		object.Stall = time.Minute
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Stall})
		started := time.Now()
		_, err := body.Open(t.Context(), object, 0)
		require.ErrorIs(t, err, body.ErrStalled)
		require.Equal(t, time.Minute, time.Since(started))
	})
}

func TestSlowConsumerIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, object := store(t, content(100))
		object.Stall = time.Minute
		r, err := body.Open(t.Context(), object, 0)
		require.NoError(t, err)
		defer r.Close()
		for range 10 {
			<-time.After(time.Hour)
			_, err := io.ReadFull(r, make([]byte, 10))
			require.NoError(t, err)
		}
	})
}

func TestBodyIsNotReopenedAfterTheContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, object := store(t, content(100))
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Kind: dmaptest.Stall})
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := readFrom(ctx, object, 0)
		require.ErrorIs(t, err, cause)
		require.Equal(t, 1, bucket.Calls(dmaptest.OpOpen))
	})
}

func TestFailedOpenIsNotRepeated(t *testing.T) {
	bucket, object := store(t, content(100))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Sticky: true, Code: gcerrors.PermissionDenied})
	_, err := body.Open(t.Context(), object, 0)
	require.Equal(t, gcerrors.PermissionDenied, gcerrors.Code(err))
	require.ErrorContains(t, err, key)
	require.Equal(t, 1, bucket.Calls(dmaptest.OpOpen))
}

func TestDeletedObjectIsNotFound(t *testing.T) {
	bucket, object := store(t, content(100))
	require.NoError(t, bucket.Delete(t.Context(), key))
	_, err := body.Open(t.Context(), object, 0)
	require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
	require.ErrorContains(t, err, key)
}

func TestObjectOfAnotherSizeOrTimeIsRefused(t *testing.T) {
	_, object := store(t, content(100))
	object.Size = 99
	_, err := body.Open(t.Context(), object, 0)
	require.ErrorIs(t, err, errChanged)
	require.ErrorContains(t, err, "size 99 100")

	object.Size, object.ModTime = 100, time.Now().Add(-time.Hour)
	_, err = body.Open(t.Context(), object, 0)
	require.ErrorIs(t, err, errChanged)
	require.ErrorContains(t, err, "modification time")
}

func TestObjectThatChangesWhileItIsReadIsRefused(t *testing.T) {
	bucket, object := store(t, content(100_000))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 1000})
	r, err := body.Open(t.Context(), object, 0)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadFull(r, make([]byte, 1000))
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), key, content(200_000), nil))
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, errChanged)
}

func TestEachRequestCarriesTheETagCondition(t *testing.T) {
	data := content(10_000)
	bucket, object := store(t, data)
	asked := 0
	object.ETag = "first"
	object.IfMatch = func(_ func(any) bool, etag string) bool {
		require.Equal(t, "first", etag)
		asked++
		return false
	}
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 1000})
	got, err := readFrom(t.Context(), object, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.Equal(t, 2, asked)
}

func TestObjectWithAnotherETagIsRefused(t *testing.T) {
	bucket, object := store(t, content(10_000))
	unmet := dmaptest.Fault{Op: dmaptest.OpOpen, Code: gcerrors.FailedPrecondition}
	bucket.Inject(unmet)
	_, err := body.Open(t.Context(), object, 0)
	require.NotErrorIs(t, err, errChanged, "nothing was asked")

	object.ETag = "first"
	object.IfMatch = func(func(any) bool, string) bool { return true }
	attributes, err := bucket.Attributes(t.Context(), key)
	require.NoError(t, err)
	bucket.Inject(unmet)
	_, err = body.Open(t.Context(), object, 0)
	require.ErrorIs(t, err, errChanged)
	require.ErrorContains(t, err, "version first "+attributes.ETag)

	require.NoError(t, bucket.Delete(t.Context(), key))
	bucket.Inject(unmet)
	_, err = body.Open(t.Context(), object, 0)
	require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
}

func TestRangeIsReadAndNoByteMore(t *testing.T) {
	data := content(10_000)
	for _, fault := range []dmaptest.Fault{
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 10},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 999, Err: syscall.ECONNRESET},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 0},
	} {
		for _, size := range []int64{-1, 10_000} {
			bucket, object := store(t, data)
			object.Size = size
			bucket.Inject(fault)
			bucket.Record(dmaptest.OpRead)
			r, err := body.OpenRange(t.Context(), object, 2000, 5000)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.True(t, bytes.Equal(data[2000:5000], got))
			var sum int64
			for _, call := range bucket.Log() {
				sum += call.Bytes
			}
			require.Equal(t, int64(3000), sum)
		}
	}
}

func TestRangesBeyondTheObjectEndWithIt(t *testing.T) {
	data := content(100)
	bucket, object := store(t, data)
	object.Size = 100
	for _, span := range [][2]int64{{0, 200}, {50, 100}, {99, 101}, {100, 200}, {150, 200}, {10, 10}, {10, 5}, {0, 0}} {
		r, err := body.OpenRange(t.Context(), object, span[0], span[1])
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		from := min(span[0], 100)
		require.Equal(t, string(data[from:max(min(span[1], 100), from)]), string(got), "%v", span)
	}
	require.Equal(t, 3, bucket.Calls(dmaptest.OpOpen))
}

func TestReadingFromTheEndMakesNoRequest(t *testing.T) {
	bucket, object := store(t, content(100))
	object.Size = 100
	got, err := readFrom(t.Context(), object, 100)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Zero(t, bucket.Calls(dmaptest.OpOpen))
}

func TestEmptyObjectIsReadToItsEnd(t *testing.T) {
	_, object := store(t, nil)
	got, err := readFrom(t.Context(), object, 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestTimesAreComparedAsFarAsBothArePrecise(t *testing.T) {
	whole := time.Unix(1_700_000_000, 0)
	for _, test := range []struct {
		a, b time.Time
		same bool
	}{
		{whole, whole.UTC(), true},
		{whole, whole.Add(999 * time.Millisecond), true},
		{whole.Add(time.Millisecond), whole, true},
		{whole.Add(time.Millisecond), whole.Add(2 * time.Millisecond), false},
		{whole, whole.Add(time.Second), false},
		{whole.Add(time.Millisecond), whole.Add(time.Second), true}, // some stores round up
		{whole.Add(time.Millisecond), whole.Add(1001 * time.Millisecond), false},
		{whole.Add(time.Millisecond), whole.Add(-time.Second), false},
		{whole.Add(time.Millisecond), whole.Add(2 * time.Second), false},
		{time.Time{}, whole, true},
		{whole, time.Time{}, true},
	} {
		require.Equal(t, test.same, body.SameTime(test.a, test.b), "%v %v", test.a, test.b)
	}
}
