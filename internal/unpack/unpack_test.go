package unpack

import (
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/budget"
	"github.com/go-dmap/dmap/internal/testsize"
)

func gzipped(tb testing.TB, text []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := stdgzip.NewWriter(&b)
	_, err := w.Write(text)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return b.Bytes()
}

func zstdCompressed(tb testing.TB, text []byte, options ...zstd.EOption) []byte {
	tb.Helper()
	w, err := zstd.NewWriter(nil, options...)
	require.NoError(tb, err)
	defer w.Close()
	return w.EncodeAll(text, nil)
}

func unpacked(data []byte) ([]byte, error) {
	r, err := Open(context.Background(), bytes.NewReader(data), Limits{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// text returns n bytes or a few more that compress like text.
func text(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%d,some words,%x\n", random.IntN(1e6), random.IntN(1e9))
	}
	return b.Bytes()
}

func TestCompressedDataRoundTrips(t *testing.T) {
	checked := testsize.Sizes{Usual: ratioFrom * 5 / 4, Long: 3 * ratioFrom}.Now() // bytes
	for _, n := range []int{0, 1, 100, checked} {
		want := text(n)
		half := n / 2
		for name, data := range map[string][]byte{
			"plain": want, "gzip": gzipped(t, want), "zstd": zstdCompressed(t, want),
			"gzip members": append(gzipped(t, want[:half]), gzipped(t, want[half:])...),
			"zstd frames":  append(zstdCompressed(t, want[:half]), zstdCompressed(t, want[half:])...),
			"zeros":        append(gzipped(t, want), make([]byte, 100_000)...),
			"skippable":    append([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00size"), zstdCompressed(t, want)...),
			"skippable 15": append([]byte("\x5f\x2a\x4d\x18\x00\x00\x00\x00"), zstdCompressed(t, want)...),
		} {
			got, err := unpacked(data)
			require.NoError(t, err, name)
			require.Equal(t, string(want), string(got), name)
			r, err := Open(context.Background(), iotest.OneByteReader(bytes.NewReader(data)), Limits{})
			require.NoError(t, err)
			require.NoError(t, r.Skip(int64(half)))
			got, err = io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, string(want[half:]), string(got), name)
			require.NoError(t, r.Skip(10), "skipping at the end")
			r.Close()
		}
	}
}

func TestTruncatedDataIsAnError(t *testing.T) {
	for format, data := range map[string][]byte{"gzip": gzipped(t, text(200_000)), "zstd": zstdCompressed(t, text(200_000))} {
		for _, n := range []int{5, 12, len(data) / 2, len(data) - 1} {
			got, err := unpacked(data[:n])
			var bad *Error
			require.ErrorAs(t, err, &bad, "%s %d", format, n)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s %d", format, n)
			require.Equal(t, format, bad.Format)
			require.EqualValues(t, len(got), bad.Offset)
		}
	}
}

func TestDamagedDataIsAnError(t *testing.T) {
	for format, data := range map[string][]byte{"gzip": gzipped(t, text(200_000)), "zstd": zstdCompressed(t, text(200_000))} {
		broken := bytes.Clone(data)
		broken[len(broken)/2] ^= 0x55
		_, err := unpacked(broken)
		require.ErrorContains(t, err, format+" at decompressed byte")
	}
	for _, more := range []string{"and more", "\x00and more", "\x00" + string(gzipped(t, text(100))), "\x1f", "\x1f\x8b\x08"} {
		got, err := unpacked(append(gzipped(t, text(100)), more...))
		require.ErrorContains(t, err, "gzip at decompressed byte", "%q", more)
		require.Equal(t, text(100), got)
	}
}

func TestTheFirstBytesOfCompressedDataAloneAreNoText(t *testing.T) {
	for _, head := range []string{"\x1f", "\x1f\x8b", zstdMagic[:2], zstdMagic[:3], zstdMagic} {
		_, err := unpacked([]byte(head))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", head)
		require.ErrorContains(t, err, "truncated")
	}
	for _, text := range []string{"", "(", "a", "\x1e", "P*M\n"} {
		got, err := unpacked([]byte(text))
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
}

func TestExpansionRatioIsLimited(t *testing.T) {
	zeros := make([]byte, 8<<20)
	for name, data := range map[string][]byte{"gzip": gzipped(t, zeros), "zstd": zstdCompressed(t, zeros)} {
		got, err := unpacked(data)
		var bad *Error
		require.ErrorAs(t, err, &bad, name)
		require.Equal(t, "decompressed bytes for each byte", bad.Limit)
		require.EqualValues(t, 200, bad.Max)
		require.Less(t, len(got), 4<<20)
	}
	got, err := unpacked(gzipped(t, zeros[:ratioFrom]))
	require.NoError(t, err, "the ratio is checked after ratioFrom bytes")
	require.Len(t, got, ratioFrom)
}

func TestTooLargeZstdWindowIsAnError(t *testing.T) {
	_, err := unpacked([]byte("\x28\xb5\x2f\xfd\x00\x98" + strings.Repeat("\x00", 100))) // asks for 512 MiB
	var bad *Error
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "bytes of window", bad.Limit)
}

func TestWindowsHaveFewSizes(t *testing.T) {
	for window, want := range map[uint64]int64{
		0: 8, 1: 8, 8 << 20: 8, 8<<20 + 1: 16, 16 << 20: 16, 16<<20 + 1: 32, 33 << 20: 64, 64 << 20: 64, 64<<20 + 1: 64, math.MaxUint64: 64,
	} {
		class, size := sizeClass(window)
		require.Equal(t, want<<20, size, "%d", window)
		require.Equal(t, size, int64(usualWindow)<<class)
		require.Less(t, class, len(spare.byClass))
	}
}

func TestSpareDecodersAreUsedAgainAndDropped(t *testing.T) {
	var s spareDecoders
	s.keep(1, &zstd.Decoder{})
	require.Nil(t, s.take(0))
	d := s.take(1)
	require.NotNil(t, d)
	require.Nil(t, s.take(1))
	s.keep(1, d)
	kept := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.byClass[1])
	}
	require.Equal(t, 1, kept())
	require.Eventually(t, func() bool { runtime.GC(); return kept() == 0 }, time.Minute, time.Millisecond)
	s.keep(1, d)
	require.Eventually(t, func() bool { runtime.GC(); return kept() == 0 }, time.Minute, time.Millisecond, "again")
}

func TestSpareDecodersOfAllSizesStayWithinTheBudget(t *testing.T) {
	var s spareDecoders
	for round := range 20 {
		for class := range s.byClass {
			s.keep(class, &zstd.Decoder{})
			bytes := int64(0)
			for c, of := range s.byClass {
				bytes += int64(len(of)) * usualWindow << c
			}
			require.LessOrEqual(t, bytes, int64(budget.Bytes))
			require.Equal(t, bytes, s.bytes)
			if round%3 == 0 {
				require.NotNil(t, s.take(class), "the last one stays")
			}
		}
	}
}

func TestADecoderOfADamagedStreamReadsTheNextOne(t *testing.T) {
	large := zstdCompressed(t, text(ratioFrom), zstd.WithWindowSize(16<<20), zstd.WithSingleSegment(false))
	damaged := bytes.Clone(large)
	damaged[len(damaged)/2] ^= 0x55
	for range 3 {
		_, err := unpacked(damaged)
		require.ErrorContains(t, err, "zstd at decompressed byte")
		got, err := unpacked(large)
		require.NoError(t, err)
		require.Equal(t, text(ratioFrom), got)
		half, err := Open(context.Background(), bytes.NewReader(large), Limits{})
		require.NoError(t, err)
		require.NoError(t, half.Skip(100))
		half.Close() // in the middle of the stream
		_, err = half.Read(make([]byte, 1<<20))
		require.ErrorIs(t, err, errClosed)
	}
}

func TestErrorOfTheSourceIsReturnedUnchanged(t *testing.T) {
	reset := errors.New("reset")
	for _, data := range [][]byte{gzipped(t, text(500_000)), zstdCompressed(t, text(500_000)), text(500_000)} {
		for _, n := range []int{2, len(data) / 2} {
			r, err := Open(context.Background(), io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(reset)), Limits{})
			if err == nil {
				_, err = io.ReadAll(r)
				require.Equal(t, reset, err)
				_, err = r.Read(make([]byte, 1))
				r.Close()
			}
			require.Equal(t, reset, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(gzipped(f, text(1000)))
	f.Add(zstdCompressed(f, text(1000)))
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := unpacked(data)
		require.LessOrEqual(t, len(got), ratioFrom+MaxRatio*len(data)+bufferSize)
		if err != nil {
			var bad *Error
			require.ErrorAs(t, err, &bad)
			return
		}
		if bytes.HasPrefix(data, []byte("\x1f\x8b")) { // the slow reference
			r, err := stdgzip.NewReader(bytes.NewReader(data))
			require.NoError(t, err)
			want, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}
