package source_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// liar is a store of one object, which bends its answers.
type liar struct {
	driver.Bucket // the rest is not called
	data          string
	size          int64  // of its attributes
	encoding      string // of its attributes
	answer        func(n int64, a *lie)
	reads         atomic.Int64
}

// lie is the answer to a read.
type lie struct {
	*strings.Reader
	whole         string
	offset, bytes int64 // asked for; -1 bytes: to the end
	size          int64
}

// ignoreRange answers with the whole object.
func (l *lie) ignoreRange() { l.Reader = strings.NewReader(l.whole) }

func (l *lie) Close() error { return nil }
func (l *lie) As(any) bool  { return false }
func (l *lie) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: l.size}
}

func (l *liar) NewRangeReader(_ context.Context, _ string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	part := l.data[min(offset, int64(len(l.data))):]
	if length >= 0 {
		part = part[:min(length, int64(len(part)))]
	}
	a := &lie{Reader: strings.NewReader(part), whole: l.data, offset: offset, bytes: length, size: int64(len(l.data))}
	l.answer(l.reads.Add(1), a)
	return a, nil
}

func (l *liar) Attributes(context.Context, string) (*driver.Attributes, error) {
	return &driver.Attributes{Size: l.size, ContentEncoding: l.encoding, ETag: "e"}, nil
}
func (l *liar) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }
func (l *liar) ErrorAs(error, any) bool            { return false }
func (l *liar) As(any) bool                        { return false }
func (l *liar) Close() error                       { return nil }

func lyingBucket(t *testing.T, l *liar) *blob.Bucket {
	bucket := blob.NewBucket(l)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return bucket
}

// wholeLines are the rows and the lines of a large object, in splits of 3,000 bytes.
func wholeLines(bucket *blob.Bucket) map[string]dmap.Source[string] {
	decode := func(line []byte) (string, error) { return string(line), nil }
	row := func(header []string) (func(source.Row) (string, error), error) {
		fields, err := source.Strings(header)
		return func(r source.Row) (string, error) {
			all, err := fields(r)
			return strings.Join(all, ","), err
		}, err
	}
	return map[string]dmap.Source[string]{
		"lines": source.Divide(source.JSONLines(bucket, "k", source.JSONLinesOptions[string]{Decode: decode}), 3000),
		"rows":  source.Divide(source.CSV(bucket, "k", row, source.CSVOptions{Header: []string{"a", "b"}}), 3000),
	}
}

func TestALargeObjectOfAStoreThatLiesIsReadOrRefused(t *testing.T) {
	var want []string
	for i := range 3000 {
		want = append(want, fmt.Sprintf("row %d,%d", i, 7*i))
	}
	data := strings.Join(want, "\n") + "\n"
	for name, test := range map[string]struct {
		size     int64
		encoding string
		answer   func(n int64, a *lie)
		refused  bool
	}{
		"honest":                          {int64(len(data)), "", func(int64, *lie) {}, false},
		"ranges are ignored":              {int64(len(data)), "", func(_ int64, a *lie) { a.ignoreRange() }, false},
		"ranges are ignored later":        {int64(len(data)), "", func(n int64, a *lie) { a.ignoreRangeFrom(n, 12) }, true},
		"the size is not told":            {0, "", func(_ int64, a *lie) { a.size = 0 }, false},
		"the size is not told by reads":   {int64(len(data)), "", func(_ int64, a *lie) { a.size = 0 }, false},
		"an encoding is undone":           {4000, "gzip", func(_ int64, a *lie) { a.ignoreRange(); a.size = -1 }, false},
		"an encoding is undone, silently": {20_000, "", func(_ int64, a *lie) { a.ignoreRange(); a.size = -1 }, false},
		"a size beyond all memory":        {1 << 62, "", func(int64, *lie) {}, true},
	} {
		for kind := range wholeLines(nil) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				bucket := lyingBucket(t, &liar{data: data, size: test.size, encoding: test.encoding, answer: test.answer})
				got, err := try(t.Context(), wholeLines(bucket)[kind])
				if err == nil {
					require.Len(t, got, len(want))
					require.True(t, slices.Equal(want, values(got)))
					return
				}
				require.True(t, test.refused, "%v", err)
				require.ErrorContains(t, err, `"k"`)
			})
		}
	}
}

// ignoreRangeFrom answers with the whole object from the n-th read on.
func (l *lie) ignoreRangeFrom(n, first int64) {
	if n >= first {
		l.ignoreRange()
	}
}

func TestAnUnknownSizeIsNotThatOfAnEmptyObject(t *testing.T) {
	bucket := lyingBucket(t, &liar{data: "1\n2\n3\n", answer: func(_ int64, a *lie) { a.size = 0 }})
	got, err := try(t.Context(), source.JSONLines[int](bucket, "k"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, values(got))
	bucket = lyingBucket(t, &liar{answer: func(int64, *lie) {}})
	got, err = try(t.Context(), source.JSONLines[int](bucket, "k"))
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestABodyThatIsShorterThanItsAttributesIsNoObject(t *testing.T) {
	data := strings.Repeat("x", 1000)
	bucket := lyingBucket(t, &liar{data: data, size: 1000, answer: func(_ int64, a *lie) {
		a.Reader, a.size = strings.NewReader(data[:500]), 500
	}})
	_, err := source.Object{Key: "k", Size: 1000}.In(bucket).ReadAll(t.Context())
	require.ErrorIs(t, err, source.ErrChanged)

	bucket = lyingBucket(t, &liar{data: data, size: 46, encoding: "gzip", answer: func(int64, *lie) {}})
	got, err := source.Object{Key: "k", Size: 46}.In(bucket).ReadAll(t.Context())
	require.NoError(t, err)
	require.True(t, bytes.Equal([]byte(data), got), "the store undoes the encoding")
}
