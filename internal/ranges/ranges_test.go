package ranges_test

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
	"github.com/go-dmap/dmap/internal/ranges"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "large"

var errChanged = errors.New("changed")

// store returns a bucket with n random bytes under key, the object to read, and the bytes.
func store(tb testing.TB, n int) (*dmaptest.FaultBucket, body.Object, []byte) {
	tb.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	inner := memblob.OpenBucket(nil)
	tb.Cleanup(func() { require.NoError(tb, inner.Close()) })
	require.NoError(tb, inner.WriteAll(tb.Context(), key, data, nil))
	attributes, err := inner.Attributes(tb.Context(), key)
	require.NoError(tb, err)
	bucket := dmaptest.NewFaultBucket(tb, inner)
	return bucket, body.Object{
		Bucket: bucket.Bucket, Key: key, Size: int64(n), ModTime: attributes.ModTime,
		Changed: func(what, was, now string) error { return fmt.Errorf("%w: %s %s %s", errChanged, what, was, now) },
	}, data
}

var usual = ranges.Options{Requests: 4, Part: 1000, Block: 100, Memory: 6000}

func readAll(ctx context.Context, o body.Object, from, to int64, options ranges.Options) ([]byte, error) {
	s := ranges.Open(ctx, o, from, to, options)
	defer s.Close()
	return io.ReadAll(s)
}

func TestBytesAreInOrderForAllOptions(t *testing.T) {
	_, object, data := store(t, 1000)
	for _, requests := range []int{1, 8} {
		for _, part := range []int64{1, 3, 50, 333, 5000} {
			for _, block := range []int64{1, 20, 10_000} {
				for _, memory := range []int64{1, part, 3 * part, 1 << 20} {
					o := ranges.Options{Requests: requests, Part: part, Block: block, Memory: memory}
					for _, span := range [][2]int64{{0, 1000}, {0, 1}, {1, 999}, {500, 500}, {999, 1000}} {
						got, err := readAll(t.Context(), object, span[0], span[1], o)
						require.NoError(t, err, "%+v", o)
						require.True(t, bytes.Equal(data[span[0]:span[1]], got), "%+v of %v", o, span)
					}
				}
			}
		}
	}
}

// Where the store does not tell the range that it returns, each part but the first asks for 16
// bytes of the part before, too.
func TestOnlyTheBytesOfTheRangeAreRequested(t *testing.T) {
	for _, tells := range []bool{true, false} {
		bucket, object, data := store(t, 100_000)
		if tells {
			object.Answer = func(func(any) bool) (body.Answer, bool) { return body.Answer{}, false }
		}
		bucket.Record(dmaptest.OpRead)
		got, err := readAll(t.Context(), object, 10, 20_010, usual)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[10:20_010], got))
		var sum int64
		for _, call := range bucket.Log() {
			sum += call.Bytes
		}
		want := int64(20_000)
		if !tells {
			want += int64(bucket.Calls(dmaptest.OpOpen)-1) * 16
		}
		require.Equal(t, want, sum)
	}
}

func TestBrokenRequestsAreResumed(t *testing.T) {
	for _, fault := range []dmaptest.Fault{
		{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 150, Err: syscall.ECONNRESET},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 333},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 0},
		{Op: dmaptest.OpRead, Kind: dmaptest.Fail},
	} {
		for nth := 1; nth <= 12; nth += 3 {
			bucket, object, data := store(t, 10_000)
			fault.Nth = nth
			hits := bucket.Inject(fault)
			got, err := readAll(t.Context(), object, 0, 10_000, usual)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
			require.Equal(t, 1, hits(), "%+v", fault)
		}
	}
}

func TestBytesBeforeAnErrorAreReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, object, data := store(t, 10_000)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Nth: 6, Code: gcerrors.PermissionDenied})
		got, err := readAll(t.Context(), object, 0, 10_000, usual)
		require.Equal(t, gcerrors.PermissionDenied, gcerrors.Code(err))
		require.True(t, bytes.HasPrefix(data, got))
		require.Less(t, len(got), 10_000)
	})
}

func TestObjectChangedWhileReadIsAnError(t *testing.T) {
	bucket, object, _ := store(t, 100_000)
	s := ranges.Open(t.Context(), object, 0, 100_000, usual)
	defer s.Close()
	_, err := io.ReadFull(s, make([]byte, 5000))
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), key, make([]byte, 100_000), nil))
	_, err = io.ReadAll(s)
	require.ErrorIs(t, err, errChanged)
}

func TestCanceledContextStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, object, _ := store(t, 100_000)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Kind: dmaptest.Stall, Nth: 30, Sticky: true})
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := readAll(ctx, object, 0, 100_000, usual)
		require.ErrorIs(t, err, cause)
	})
}

// takeBlocks reads n blocks and does not release them.
func takeBlocks(t *testing.T, f *ranges.Fetch, n int) (blocks []*ranges.Block, bytes int64) {
	t.Helper()
	for range n {
		b, err := f.Next()
		require.NoError(t, err)
		blocks, bytes = append(blocks, b), bytes+int64(len(b.Bytes))
	}
	return blocks, bytes
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, object, _ := store(t, 100_000)
		bucket.Record(dmaptest.OpRead)
		f := ranges.Start(t.Context(), object, 0, 100_000, usual, func(*ranges.Block) {}, func() bool { return false })
		defer f.Stop()
		read := func() (sum int64) {
			synctest.Wait()
			for _, call := range bucket.Log() {
				sum += call.Bytes
			}
			return sum
		}
		require.LessOrEqual(t, read(), usual.Memory)
		require.Greater(t, read(), usual.Memory-usual.Part)
		blocks, given := takeBlocks(t, f, 20)
		require.LessOrEqual(t, read(), usual.Memory, "blocks that are not released count")
		blocks[0].Retain()
		for _, b := range blocks {
			b.Release()
		}
		require.LessOrEqual(t, read(), usual.Memory+given-int64(len(blocks[0].Bytes)))
		require.Greater(t, read(), usual.Memory+given-int64(len(blocks[0].Bytes))-usual.Part)
	})
}

func TestOnePartExceedsMemoryWhenNothingCanBeSpilled(t *testing.T) {
	_, object, _ := store(t, 50_000)
	asked := 0
	f := ranges.Start(t.Context(), object, 0, 50_000, usual, func(*ranges.Block) {}, func() bool { asked++; return false })
	defer f.Stop()
	var at int64
	for {
		b, err := f.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Equal(t, at, b.Offset)
		at += int64(len(b.Bytes))
	}
	require.Equal(t, int64(50_000), at)
	require.Positive(t, asked)
}

func TestSpillFreesMemory(t *testing.T) {
	_, object, data := store(t, 50_000)
	var kept []*ranges.Block
	most := 0
	f := ranges.Start(t.Context(), object, 0, 50_000, usual, func(*ranges.Block) {}, func() bool {
		most = max(most, len(kept))
		kept[0].Release()
		kept = kept[1:]
		return true
	})
	defer f.Stop()
	for at := 0; at < len(data); {
		b, err := f.Next()
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[at:at+len(b.Bytes)], b.Bytes))
		at += len(b.Bytes)
		kept = append(kept, b)
	}
	require.Positive(t, most)
	require.LessOrEqual(t, most, 70)
}

func TestPartSizesGrowAndShrink(t *testing.T) {
	_, object, _ := store(t, 100_000)
	f := ranges.Start(t.Context(), object, 0, 100_000, usual, func(*ranges.Block) {}, func() bool { return false })
	defer f.Stop()
	var starts []int64
	for {
		b, err := f.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if b.First {
			starts = append(starts, b.Offset)
		}
		b.Release()
	}
	require.Equal(t, []int64{0, 200, 700, 1400, 2400, 3400}, starts[:6], "growing to the full size")
	n := len(starts)
	require.LessOrEqual(t, 100_000-starts[n-1], int64(300), "the last parts are small")
	require.Greater(t, starts[n/2+1]-starts[n/2], int64(900))
}
