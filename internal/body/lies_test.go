package body_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/body"
)

// liar is a store with one object, whose answers each test bends.
type liar struct {
	driver.Bucket // the rest is not called
	data          []byte
	etag          string // of its attributes
	answer        func(n int, a *lie)
	asked         []request
}

// request is what the store was asked for: a length of -1 is that to the end.
type request struct{ offset, length int64 }

// lie is the answer to one request: right, until it is bent.
type lie struct {
	request
	body  io.Reader
	size  int64
	mod   time.Time
	err   error
	told  body.Answer // what the SDK would tell
	whole []byte
}

func (l *lie) Read(p []byte) (int, error) { return l.body.Read(p) }
func (l *lie) Close() error               { return nil }
func (l *lie) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: l.size, ModTime: l.mod}
}

func (l *lie) As(i any) bool {
	told, ok := i.(*body.Answer)
	if ok {
		*told = l.told
	}
	return ok
}

// ignoreRange answers with the whole object.
func (l *lie) ignoreRange() {
	l.body, l.told.Begin = bytes.NewReader(l.whole), 0
}

var written = time.Unix(1_700_000_000, 0)

func (l *liar) NewRangeReader(_ context.Context, _ string, offset, length int64, o *driver.ReaderOptions) (driver.Reader, error) {
	l.asked = append(l.asked, request{offset, length})
	if err := o.BeforeRead; err != nil {
		if err := err(func(any) bool { return false }); err != nil {
			return nil, err
		}
	}
	part := l.data[min(offset, int64(len(l.data))):]
	if length >= 0 {
		part = part[:min(length, int64(len(part)))]
	}
	a := &lie{request: request{offset, length}, body: bytes.NewReader(part), size: int64(len(l.data)), mod: written, whole: l.data}
	a.told = body.Answer{Begin: offset, Size: a.size}
	l.answer(len(l.asked), a)
	if a.err != nil {
		return nil, a.err
	}
	return a, nil
}

var errUnmet = errors.New("condition not met")

func (l *liar) Attributes(context.Context, string) (*driver.Attributes, error) {
	return &driver.Attributes{Size: int64(len(l.data)), ModTime: written, ETag: l.etag}, nil
}

func (l *liar) ErrorCode(err error) gcerrors.ErrorCode {
	if errors.Is(err, errUnmet) {
		return gcerrors.FailedPrecondition
	}
	return gcerrors.Unknown
}
func (l *liar) ErrorAs(error, any) bool { return false }
func (l *liar) As(any) bool             { return false }
func (l *liar) Close() error            { return nil }

func tells(as func(any) bool) (a body.Answer, ok bool) { return a, as(&a) }

func lying(t *testing.T, data []byte, size int64, answer func(n int, a *lie)) (*liar, body.Object) {
	l := &liar{data: data, answer: answer}
	bucket := blob.NewBucket(l)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return l, body.Object{Bucket: bucket, Key: key, Size: size, Changed: func(what, was, now string) error {
		return errors.Join(errChanged, errors.New(what+" "+was+" "+now))
	}}
}

// breakOff is a body that ends with an error after n bytes.
func breakOff(r io.Reader, n int64) io.Reader {
	return io.MultiReader(io.LimitReader(r, n), iotest.ErrReader(io.ErrUnexpectedEOF))
}

func TestARangeThatIsIgnoredIsFoundOut(t *testing.T) {
	random, equal := content(10_000), make([]byte, 10_000)
	for name, test := range map[string]struct {
		data        []byte
		told        bool
		from, end   int64
		breakAt     int64
		right       bool
		bytesBefore int // that are delivered before the error
	}{
		"told, after a reset":     {random, true, 0, -1, 500, true, 0},
		"told, from the middle":   {random, true, 500, -1, 0, true, 0},
		"told, a range":           {random, true, 500, 900, 0, false, 0},
		"not told, after a reset": {random, false, 0, -1, 500, true, 0},
		"equal bytes":             {equal, false, 0, -1, 500, false, 9999},
		"not told, a range":       {random, false, 500, 900, 0, false, 399},
		"a range from the start":  {random, false, 0, 900, 0, false, 899},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := lying(t, test.data, int64(len(test.data)), func(n int, a *lie) {
				if n == 1 && test.breakAt > 0 {
					a.body = breakOff(a.body, test.breakAt)
					return
				}
				a.ignoreRange()
			})
			if test.told {
				o.Answer = tells
			}
			r, err := body.Open(t.Context(), o, test.from)
			if test.end > 0 {
				r, err = body.OpenRange(t.Context(), o, test.from, test.end)
			}
			var got []byte
			if err == nil {
				got, err = io.ReadAll(r)
				require.NoError(t, r.Close())
			}
			if test.right {
				require.NoError(t, err)
				require.True(t, bytes.Equal(test.data[test.from:], got))
				return
			}
			require.ErrorIs(t, err, body.ErrRange)
			require.ErrorContains(t, err, strconv.Quote(key))
			require.LessOrEqual(t, len(got), test.bytesBefore)
		})
	}
}

func TestALineIsReadFromItsStartAlsoIfRangesAreIgnored(t *testing.T) {
	data := append(append(bytes.Repeat([]byte("a"), 999), '\n'), content(9_000)...)
	for _, ignored := range []bool{false, true} {
		l, o := lying(t, data, int64(len(data)), func(_ int, a *lie) {
			if ignored {
				a.ignoreRange()
			}
		})
		for _, from := range []int64{0, 1000} {
			l.asked = nil
			r, err := body.OpenLines(t.Context(), o, from, -1)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.True(t, bytes.Equal(data[from:], got))
			if !ignored || from == 0 {
				require.Len(t, l.asked, 1)
			}
			r, err = body.OpenLines(t.Context(), o, from, 1200)
			require.NoError(t, err)
			got, err = io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.True(t, bytes.Equal(data[from:1200], got))
		}
	}
}

// The store undoes an encoding: the listing has the size of the stored bytes, and offsets are those
// of the others.
func TestAnObjectWithoutASizeIsReadFromAnyOffset(t *testing.T) {
	data := content(10_000)
	bends := map[string]func(a *lie){
		"size is -1":                func(a *lie) { a.size = -1 },
		"size is -1, range ignored": func(a *lie) { a.size = -1; a.ignoreRange() },
		"size is 0":                 func(a *lie) { a.size = 0 },
		"size is 0, range ignored":  func(a *lie) { a.size = 0; a.ignoreRange() },
		"told, other size":          func(a *lie) { a.ignoreRange(); a.told.Encoded = true },
		"told, no size":             func(a *lie) { a.ignoreRange(); a.told.Encoded = true; a.told.Size = -1 },
	}
	for name, bend := range bends {
		for _, listed := range []int64{-1, 0, 700, 20_000} {
			for _, from := range []int64{0, 1, 500, 699, 701, 9_999} {
				_, o := lying(t, data, listed, func(_ int, a *lie) { bend(a) })
				if name[:4] == "told" {
					o.Answer = tells
				}
				got, err := readFrom(t.Context(), o, from)
				require.NoError(t, err, "%s, listed %d, from %d", name, listed, from)
				require.True(t, bytes.Equal(data[from:], got), "%s, listed %d, from %d: %d bytes", name, listed, from, len(got))
			}
		}
	}
}

func TestARangeOfAnObjectWithoutASizeIsRefused(t *testing.T) {
	for _, size := range []int64{-1, 0} {
		_, o := lying(t, content(10_000), 700, func(_ int, a *lie) { a.size = size })
		_, err := body.OpenRange(t.Context(), o, 100, 200)
		require.ErrorIs(t, err, body.ErrRange)
	}
}

func TestAnObjectThatIsEmptyNowHasChanged(t *testing.T) {
	_, o := lying(t, nil, 700, func(int, *lie) {})
	_, err := body.Open(t.Context(), o, 0)
	require.ErrorIs(t, err, errChanged)
	require.ErrorContains(t, err, "size 700 0")
}

// Content-Range may have a star in place of the size: then gocloud gives the length of the body.
func TestARangeWithoutTheSizeOfItsObjectIsRead(t *testing.T) {
	data := content(10_000)
	for _, told := range []bool{false, true} {
		_, o := lying(t, data, 10_000, func(n int, a *lie) {
			if a.offset > 0 || a.length >= 0 {
				part, err := io.ReadAll(a.body)
				require.NoError(t, err)
				a.size, a.told.Size, a.body = int64(len(part)), -1, bytes.NewReader(part)
			}
			if n == 1 {
				a.body = breakOff(a.body, 500)
			}
		})
		if told {
			o.Answer = tells
		}
		got, err := readFrom(t.Context(), o, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
		r, err := body.OpenRange(t.Context(), o, 100, 200)
		require.NoError(t, err)
		got, err = io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.True(t, bytes.Equal(data[100:200], got))
	}
}

func TestABodyThatBeginsElsewhereIsRefused(t *testing.T) {
	_, o := lying(t, content(10_000), 10_000, func(_ int, a *lie) { a.told.Begin += 7 })
	o.Answer = tells
	_, err := body.Open(t.Context(), o, 100)
	require.ErrorIs(t, err, body.ErrRange)
	require.ErrorContains(t, err, "begins at byte 107")
}

func TestAnAnswerOfAnotherTotalIsRefused(t *testing.T) {
	for _, more := range []int64{-1, 1, 1 << 40} {
		_, o := lying(t, content(10_000), 10_000, func(_ int, a *lie) { a.told.Size += more })
		o.Answer = tells
		for _, offset := range []int64{0, 100} {
			_, err := body.Open(t.Context(), o, offset)
			require.ErrorIs(t, err, errChanged)
			require.ErrorContains(t, err, fmt.Sprintf("size 10000 %d", 10_000+more))
		}
	}
}

func TestETagsAreComparedWithoutTheirForm(t *testing.T) {
	for _, test := range []struct {
		listed, got string
		same        bool
	}{
		{`"a"`, `"a"`, true},
		{`a`, `"a"`, true},
		{`a`, `W/"a"`, true},
		{`W/"a"`, `"a"`, true},
		{`"a"`, ``, true},
		{`"a"`, `"b"`, false},
		{`"W/a"`, `"a"`, false},
	} {
		// the time says nothing where the ETag does
		_, o := lying(t, content(100), 100, func(_ int, a *lie) { a.told.ETag = test.got })
		o.Answer, o.ETag = tells, test.listed
		got, err := readFrom(t.Context(), o, 0)
		if !test.same {
			require.ErrorIs(t, err, errChanged, test)
			require.ErrorContains(t, err, "version "+test.listed+" "+test.got)
			continue
		}
		require.NoError(t, err, test)
		require.Len(t, got, 100)
	}
}

func TestAStoreThatNeverMatchesItsWeakETagIsReadWithoutTheCondition(t *testing.T) {
	conditions := 0
	l, o := lying(t, content(100), 100, func(int, *lie) {})
	l.etag = `W/"a"`
	o.ETag = `"a"`
	o.IfMatch = func(func(any) bool, string) bool { conditions++; return true }
	l.answer = func(n int, a *lie) {
		if n == 1 {
			a.err = errUnmet
		}
	}
	got, err := readFrom(t.Context(), o, 0)
	require.NoError(t, err)
	require.Len(t, got, 100)
	require.Equal(t, 1, conditions)
	l.etag, l.asked = `W/"b"`, nil
	_, err = body.Open(t.Context(), o, 0)
	require.ErrorIs(t, err, errChanged)
}

func TestTheEndOfAWholeObjectIsReadForItsChecksum(t *testing.T) {
	data, wrong := content(10_000), errors.New("storage: bad CRC on read")
	for name, test := range map[string]struct {
		offset int64
		err    error
		fails  bool
	}{"whole": {0, wrong, true}, "a rest": {1, wrong, false}, "a connection that breaks": {0, io.ErrUnexpectedEOF, false}} {
		for _, together := range []bool{false, true} { // the error comes with the last bytes
			_, object := lying(t, data, int64(len(data)), func(_ int, a *lie) {
				a.body = io.MultiReader(a.body, iotest.ErrReader(test.err))
				if together {
					a.body = iotest.DataErrReader(a.body)
				}
			})
			r, err := body.Open(t.Context(), object, test.offset)
			require.NoError(t, err, name)
			_, err = io.ReadFull(r, make([]byte, len(data)-int(test.offset)))
			require.NoError(t, r.Close())
			require.Equal(t, test.fails, errors.Is(err, wrong), "%s: %v", name, err)
			require.Equal(t, test.fails, err != nil, "%s: %v", name, err)
		}
	}
}

func TestAnEmptyBodyWithoutALengthIsNoObjectWithASize(t *testing.T) {
	for size, fails := range map[int64]bool{20: false, 5000: true} { // an empty object may have an encoding
		_, object := lying(t, nil, size, func(_ int, a *lie) { a.size = -1 })
		got, err := readFrom(t.Context(), object, 0)
		require.Empty(t, got)
		require.Equal(t, fails, errors.Is(err, errChanged), "%v", err)
	}
	for size, fails := range map[int]bool{0: false, 20: false, 5000: true} {
		for _, answer := range []func(as func(any) bool) (body.Answer, bool){nil, tells} { // the store says that it may have decoded them
			for _, listed := range []int64{-1, int64(size)} {
				_, object := lying(t, make([]byte, size), listed, func(_ int, a *lie) {
					a.size, a.body, a.told = -1, new(bytes.Reader), body.Answer{Size: -1, Encoded: true}
				})
				object.Answer = answer
				got, err := readFrom(t.Context(), object, 0)
				require.Empty(t, got)
				require.Equal(t, fails, errors.Is(err, errChanged), "%v", err)
			}
		}
	}
}

func TestADriverThatPanicsIsAnError(t *testing.T) {
	_, object := lying(t, content(100), 100, func(int, *lie) { panic("nil pointer") })
	_, err := body.Open(t.Context(), object, 0)
	require.ErrorContains(t, err, `object "data/object" at byte 0 of 100: the bucket's driver does not understand the answer: panic: nil pointer`)
}
