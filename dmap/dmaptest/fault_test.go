package dmaptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"
)

const alphabet = "abcdefghijklmnopqrstuvwxyz"

// newFaults returns a fault bucket over a mem bucket that holds alphabet under "a", "b" and "c".
func newFaults(t *testing.T) (faults *FaultBucket, inner *blob.Bucket) {
	t.Helper()
	inner = memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, inner.Close()) })
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, inner.WriteAll(t.Context(), key, []byte(alphabet), nil))
	}
	return NewFaultBucket(t, inner), inner
}

// perform makes one call of op, so that a fault at it shows.
func perform(ctx context.Context, b *blob.Bucket, op Op) error {
	switch op {
	case OpOpen, OpRead:
		_, err := b.ReadAll(ctx, "a")
		return err
	case OpList:
		_, _, err := b.ListPage(ctx, blob.FirstPageToken, 10, nil)
		return err
	case OpCreate, OpWrite, OpClose:
		return b.WriteAll(ctx, "new", []byte("x"), &blob.WriterOptions{ContentType: "text/plain"})
	case OpAttributes:
		_, err := b.Attributes(ctx, "a")
		return err
	case OpDelete:
		return b.Delete(ctx, "c")
	default:
		return b.Copy(ctx, "copied", "a", nil)
	}
}

var everyOp = []Op{OpOpen, OpRead, OpList, OpCreate, OpWrite, OpClose, OpAttributes, OpDelete, OpCopy}

func TestFailHitsEveryOperationOnceWithItsCode(t *testing.T) {
	for _, op := range everyOp {
		t.Run(string(op), func(t *testing.T) {
			faults, _ := newFaults(t)
			hits := faults.Inject(Fault{Op: op, Code: gcerrors.ResourceExhausted, Err: syscall.ECONNRESET})
			err := perform(t.Context(), faults.Bucket, op)
			require.ErrorIs(t, err, ErrInjected)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Equal(t, gcerrors.ResourceExhausted, gcerrors.Code(err))
			require.ErrorContains(t, err, "fail of "+string(op))
			require.Equal(t, 1, hits())
			require.NoError(t, perform(t.Context(), faults.Bucket, op), "one-shot: the next call works")
			require.GreaterOrEqual(t, faults.Calls(op), 2)
		})
	}
}

func TestFailedCallsDoNothing(t *testing.T) {
	faults, inner := newFaults(t)
	for _, op := range []Op{OpCreate, OpClose, OpDelete, OpCopy} {
		faults.Inject(Fault{Op: op})
		require.ErrorIs(t, perform(t.Context(), faults.Bucket, op), ErrInjected)
	}
	require.Equal(t, "a b c", keys(t, inner))
}

func TestLostAnswersHaveDoneTheWork(t *testing.T) {
	faults, inner := newFaults(t)
	for _, op := range []Op{OpClose, OpDelete, OpCopy} {
		faults.Inject(Fault{Op: op, Kind: Lost})
		require.ErrorIs(t, perform(t.Context(), faults.Bucket, op), ErrInjected)
	}
	require.Equal(t, "a b copied new", keys(t, inner))
}

func TestStickyFaultsLastUntilHealed(t *testing.T) {
	faults, _ := newFaults(t)
	hits := faults.Inject(Fault{Op: OpAttributes, Nth: 2, Sticky: true})
	require.NoError(t, perform(t.Context(), faults.Bucket, OpAttributes))
	for range 3 {
		require.ErrorIs(t, perform(t.Context(), faults.Bucket, OpAttributes), ErrInjected)
	}
	faults.Heal()
	require.NoError(t, perform(t.Context(), faults.Bucket, OpAttributes))
	require.Equal(t, 3, hits())
}

func TestFaultsCountOnlyCallsThatMatchTheirKey(t *testing.T) {
	faults, _ := newFaults(t)
	faults.Inject(Fault{Op: OpOpen, Key: "b", Nth: 2})
	for _, key := range []string{"a", "b", "c", "a"} {
		_, err := faults.ReadAll(t.Context(), key)
		require.NoError(t, err)
	}
	_, err := faults.ReadAll(t.Context(), "b")
	require.ErrorIs(t, err, ErrInjected)
}

func TestTheFirstInjectedOfSeveralFaultsHappens(t *testing.T) {
	faults, _ := newFaults(t)
	first := faults.Inject(Fault{Op: OpOpen, Err: syscall.EIO})
	second := faults.Inject(Fault{Op: OpOpen, Err: syscall.EPIPE, Sticky: true})
	require.ErrorIs(t, perform(t.Context(), faults.Bucket, OpOpen), syscall.EIO)
	require.ErrorIs(t, perform(t.Context(), faults.Bucket, OpOpen), syscall.EPIPE)
	require.Equal(t, []int{1, 1}, []int{first(), second()})
}

func TestBodiesBreakAtTheirByteWhateverTheReadSize(t *testing.T) {
	corrupt := []byte(alphabet)
	corrupt[5] ^= 0xff
	for name, c := range map[string]struct {
		fault Fault
		want  string
		reset bool
	}{
		"short":               {Fault{Kind: Short, After: 5}, "abcde", false},
		"short at 0":          {Fault{Kind: Short}, "", false},
		"short beyond":        {Fault{Kind: Short, After: 99}, alphabet, false},
		"reset":               {Fault{Kind: Reset, After: 5}, "abcde", true},
		"reset at 0":          {Fault{Kind: Reset}, "", true},
		"reset in the end":    {Fault{Kind: Reset, After: 26}, alphabet, true},
		"reset instead of it": {Fault{Kind: Reset, After: 99}, alphabet, true},
		"corrupt":             {Fault{Kind: Corrupt, After: 5}, string(corrupt), false},
		"corrupt beyond":      {Fault{Kind: Corrupt, After: 99}, alphabet, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 3, 5, 26, 512} {
				faults, _ := newFaults(t)
				c.fault.Op = OpOpen
				hits := faults.Inject(c.fault)
				got, err := readBy(t, faults.Bucket, size)
				require.Equal(t, c.want, got, "reads of %d bytes", size)
				require.Equal(t, c.reset, errors.Is(err, ErrInjected), "%v", err)
				require.Equal(t, 1, hits())

				got, err = readBy(t, faults.Bucket, size)
				require.NoError(t, err)
				require.Equal(t, alphabet, got, "opened again")
			}
		})
	}
}

// readBy reads "a" in reads of size bytes.
func readBy(t *testing.T, b *blob.Bucket, size int) (string, error) {
	t.Helper()
	r, err := b.NewReader(t.Context(), "a", nil)
	require.NoError(t, err)
	require.EqualValues(t, len(alphabet), r.Size(), "the size is what the store says")
	var got []byte
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		got = append(got, p[:n]...)
		if err != nil {
			require.NoError(t, r.Close())
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return string(got), err
		}
	}
}

func TestReadFaultsHitTheirReadCall(t *testing.T) {
	corrupt := []byte(alphabet)
	corrupt[5] ^= 0xff
	for name, c := range map[string]struct {
		fault Fault
		want  string
		fails bool
	}{
		"fail":         {Fault{Kind: Fail}, "abcd", true},
		"short":        {Fault{Kind: Short, After: 1}, "abcde", false},
		"short beyond": {Fault{Kind: Short, After: 99}, "abcdefgh", false},
		"reset":        {Fault{Kind: Reset, After: 1}, "abcde", true},
		"corrupt":      {Fault{Kind: Corrupt, After: 1}, string(corrupt), false},
	} {
		t.Run(name, func(t *testing.T) {
			faults, _ := newFaults(t)
			c.fault.Op, c.fault.Nth = OpRead, 2
			faults.Inject(c.fault)
			got, err := readBy(t, faults.Bucket, 4)
			require.Equal(t, c.want, got)
			require.Equal(t, c.fails, errors.Is(err, ErrInjected), "%v", err)
		})
	}
}

func TestWritesLoseOrChangeBytesWithoutAWord(t *testing.T) {
	write := func(b *blob.Bucket) error { // without the checksum that WriteAll adds
		return b.Upload(t.Context(), "new", iotest.OneByteReader(strings.NewReader("hello")), &blob.WriterOptions{ContentType: "text/plain"})
	}
	faults, inner := newFaults(t)
	faults.Inject(Fault{Op: OpWrite, Nth: 2, Kind: Short})
	require.NoError(t, write(faults.Bucket))
	require.Equal(t, "hllo", content(t, inner, "new"))

	faults.Inject(Fault{Op: OpWrite, Nth: 2, Kind: Corrupt})
	require.NoError(t, write(faults.Bucket))
	require.Equal(t, "h\x9allo", content(t, inner, "new"))

	data := []byte("hello")
	faults.Inject(Fault{Op: OpWrite, Kind: Corrupt})
	err := faults.WriteAll(t.Context(), "checked", data, nil)
	require.Equal(t, gcerrors.FailedPrecondition, gcerrors.Code(err), "a checksum finds it")
	require.Equal(t, "hello", string(data), "the caller's bytes are his")
	require.Equal(t, "a b c new", keys(t, inner))
}

func TestStallLastsUntilTheContextEnds(t *testing.T) {
	for _, op := range everyOp {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				faults, inner := newFaults(t)
				faults.Inject(Fault{Op: op, Kind: Stall})
				before := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				require.ErrorIs(t, perform(ctx, faults.Bucket, op), context.DeadlineExceeded)
				require.Equal(t, time.Hour, time.Since(before))
				require.Equal(t, "a b c", keys(t, inner))
			})
		})
	}
}

func TestSlowDelaysEachCall(t *testing.T) {
	for _, op := range everyOp {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				faults, _ := newFaults(t)
				hits := faults.Inject(Fault{Op: op, Kind: Slow, Delay: time.Minute, Sticky: true})
				before := time.Now()
				require.NoError(t, perform(t.Context(), faults.Bucket, op))
				require.Equal(t, time.Duration(hits())*time.Minute, time.Since(before))
				require.Positive(t, hits())

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.ErrorIs(t, perform(ctx, faults.Bucket, op), context.DeadlineExceeded)
			})
		})
	}
}

func TestRecordKeepsTheOrderOfWrites(t *testing.T) {
	faults, _ := newFaults(t)
	require.NoError(t, faults.WriteAll(t.Context(), "before", nil, nil))
	faults.Record(OpClose, OpDelete)
	faults.Inject(Fault{Op: OpClose, Key: "second"})
	require.NoError(t, faults.WriteAll(t.Context(), "first", []byte("12345"), nil))
	require.Error(t, faults.WriteAll(t.Context(), "second", []byte("1"), nil))
	require.NoError(t, faults.Delete(t.Context(), "first"))
	log := faults.Log()
	require.Len(t, log, 3)
	require.Equal(t, Call{Op: OpClose, Key: "first", Bytes: 5}, log[0])
	require.Equal(t, "second", log[1].Key)
	require.ErrorIs(t, log[1].Err, ErrInjected)
	require.Equal(t, Call{Op: OpDelete, Key: "first"}, log[2])
	faults.Record()
	require.NoError(t, faults.WriteAll(t.Context(), "after", nil, nil))
	require.Len(t, faults.Log(), 3)
}

func TestConcurrentCallsGetExactlyTheFaultsInjected(t *testing.T) {
	faults, _ := newFaults(t)
	hits := faults.Inject(Fault{Op: OpOpen, Nth: 31, Sticky: true})
	var gauge Gauge
	var failed int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			defer gauge.Enter()()
			if _, err := faults.ReadAll(t.Context(), "a"); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed++
			}
		})
	}
	wg.Wait()
	require.Equal(t, 70, failed)
	require.Equal(t, 70, hits())
	require.Equal(t, 100, faults.Calls(OpOpen))
}

func TestSenselessFaultsFailTheTest(t *testing.T) {
	for want, fault := range map[string]Fault{
		`Fault.Op "": want one of`:                            {},
		`Fault.Op "opne": want one of`:                        {Op: "opne"},
		`Fault.Kind "slwo": want one of`:                      {Op: OpOpen, Kind: "slwo"},
		`Fault.Kind "short" does not apply to "delete", only`: {Op: OpDelete, Kind: Short},
		`Fault.Kind "lost" does not apply to "open", only`:    {Op: OpOpen, Kind: Lost},
		`Fault has a negative Nth -1`:                         {Op: OpOpen, Nth: -1},
	} {
		said := failures(t, func(tb testing.TB) {
			faults := NewFaultBucket(tb, memblob.OpenBucket(nil))
			faults.Inject(fault)
		})
		require.Contains(t, said, want)
	}
}

func keys(t *testing.T, b *blob.Bucket) string {
	t.Helper()
	var keys []string
	list := b.List(nil)
	for {
		o, err := list.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return strings.Join(keys, " ")
		}
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
}

func content(t *testing.T, b *blob.Bucket, key string) string {
	t.Helper()
	data, err := b.ReadAll(t.Context(), key)
	require.NoError(t, err)
	return string(data)
}

func TestAFaultBucketTellsWhoWatchesEachCallTwice(t *testing.T) {
	b := NewFaultBucket(t, memblob.OpenBucket(nil))
	var told []string
	b.Watch(func(c Call, ended bool) {
		if c.Op != OpWrite {
			told = append(told, fmt.Sprint(c.Op, " ", c.Key, " ", c.Bytes, " ", ended))
		}
	})
	require.NoError(t, b.WriteAll(t.Context(), "k", []byte("123"), nil))
	b.Watch(nil)
	require.NoError(t, b.Delete(t.Context(), "k"))
	require.Equal(t, []string{"create k 0 false", "create k 0 true", "close k 0 false", "close k 3 true"}, told)
}
