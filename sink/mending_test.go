package sink_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// breaking is an object of the numbers below n, of which the first cut bytes were uploaded.
type breaking struct {
	key  string
	of   func(from, n int) []byte // the object with the numbers from, from+1, … of n
	cut  func(whole []byte, part float64) []byte
	open func(b *blob.Bucket, key string) dmap.Source[numbered]
	each func(o source.Object) dmap.Source[numbered]
}

// head is a part of an object that was not uploaded to its end.
func head(whole []byte, part float64) []byte { return whole[:int(float64(len(whole))*part)] }

func numberLines(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"n\":%d,\"text\":\"%x\"}\n", from+i, (i+1)*7919*7919*7919)
	}
	return b.String()
}

func numberRows(from, n int) string {
	var b strings.Builder
	b.WriteString("N,Text\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%x\n", from+i, (i+1)*7919*7919*7919)
	}
	return b.String()
}

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// repacked is an object that is compressed in another way, if it is compressed.
func repacked(content []byte) []byte {
	in, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return content
	}
	var b bytes.Buffer
	out, err := gzip.NewWriterLevel(&b, gzip.HuffmanOnly)
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func breakings() map[string]breaking {
	lines := func(b *blob.Bucket, key string) dmap.Source[numbered] { return source.JSONLines[numbered](b, key) }
	rows := func(b *blob.Bucket, key string) dmap.Source[numbered] {
		return source.CSV(b, key, source.Into[numbered])
	}
	return map[string]breaking{
		"json lines": {
			key: "in/m.jsonl.gz", of: func(from, n int) []byte { return packed(numberLines(from, n)) }, cut: head, open: lines, each: asLines,
		},
		"csv": {
			key: "in/m.csv.gz", of: func(from, n int) []byte { return packed(numberRows(from, n)) }, cut: head, open: rows,
			each: func(o source.Object) dmap.Source[numbered] { return source.CSVOf(o, source.Into[numbered]) },
		},
		"json array": {
			key: "in/m.json",
			of: func(from, n int) []byte {
				return []byte("[" + strings.TrimSuffix(strings.ReplaceAll(numberLines(from, n), "\n", ",\n"), ",\n") + "]")
			},
			cut:  head,
			open: func(b *blob.Bucket, key string) dmap.Source[numbered] { return source.JSONArray[numbered](b, key) },
			each: func(o source.Object) dmap.Source[numbered] { return source.JSONArrayOf[numbered](o) },
		},
		"open quote": {
			key: "in/m.csv", of: func(from, n int) []byte { return []byte(numberRows(from, n)) },
			cut: func(whole []byte, part float64) []byte {
				rows := head(whole, part)
				rows = rows[:bytes.LastIndexByte(rows, '\n')+1]
				return append(bytes.Clone(rows), []byte("\"open\n")...)
			},
			open: rows,
			each: func(o source.Object) dmap.Source[numbered] { return source.CSVOf(o, source.Into[numbered]) },
		},
	}
}

// mending is a run over an object that breaks off, alone or with another source of ten numbers from
// 1000 on.
type mending struct {
	daily
	breaking
	in     *blob.Bucket
	n      int
	others int // numbers that are not in the object
}

const mendedNumbers = 120

func newMending(t *testing.T, b breaking, around string) *mending {
	t.Helper()
	m := &mending{breaking: b, in: memory(t), n: mendedNumbers}
	m.bucket, m.sink = memory(t), sink.BucketOptions{PartBytes: 1 << 10}
	m.opts = dmap.Options{MaxConcurrency: 3, CommitEvery: 20 * time.Millisecond, Redrive: dmap.Redrive{Max: 9, Canceled: true}}
	m.opts.Tolerance.Percentage, m.opts.Tolerance.MinItems = 50, 1000
	one := func() dmap.Source[numbered] { return b.open(m.in, b.key) }
	m.src = one
	switch around {
	case "one":
	case "filter":
		m.src = func() dmap.Source[numbered] {
			return source.Transform(source.Filter(one(), func(numbered) bool { return true }), func(_ context.Context, v numbered) (numbered, error) { return v, nil })
		}
	case "concat":
		m.others = 10
		m.src = func() dmap.Source[numbered] {
			list := make([]numbered, m.others)
			for i := range list {
				list[i].N = 1000 + i
			}
			return source.Concat(one(), source.Slice(list))
		}
	case "flatten":
		m.others = 10
		ext := b.key[strings.IndexByte(b.key, '.'):]
		m.put(t, "in/a"+ext, b.of(1000, 5))
		m.put(t, "in/z"+ext, b.of(1005, 5))
		m.src = func() dmap.Source[numbered] { return source.Flatten(source.Objects(m.in, "in/"), b.each) }
	}
	return m
}

func (m *mending) put(t *testing.T, key string, content []byte) {
	t.Helper()
	time.Sleep(time.Hour) // bodies have the time in seconds
	require.NoError(t, m.in.WriteAll(t.Context(), key, content, nil))
}

// upload uploads a part of the object.
func (m *mending) upload(t *testing.T, part float64) {
	t.Helper()
	content := m.of(0, m.n)
	if part < 1 {
		content = m.cut(content, part)
	}
	m.put(t, m.key, content)
}

// once requires that all counts are those of the newest manifest, which lists each item once, and
// returns the number of items that have succeeded.
func (m *mending) once(t *testing.T) int {
	t.Helper()
	end := newestManifest(t, m.bucket)
	require.Equal(t, end.Stats.Read, end.Stats.Succeeded+end.Stats.Failed+end.Stats.Skipped+end.Stats.Held+end.Stats.Pending)
	all := listed(t, m.bucket)
	require.EqualValues(t, end.Stats.Succeeded, len(all["SUCCEEDED"]))
	require.EqualValues(t, end.Stats.Failed, len(all["FAILED"]))
	require.EqualValues(t, end.Stats.Pending, len(all["PENDING"]))
	numbers := map[any]bool{}
	for _, r := range all["SUCCEEDED"] {
		numbers[r["output"]] = true
	}
	require.Len(t, numbers, len(all["SUCCEEDED"]), "each number has one result")
	return len(numbers)
}

// complete requires that the run has succeeded with all numbers, each of which was called once, but
// for those that calls gives.
func (m *mending) complete(t *testing.T, stats dmap.Stats, err error) {
	t.Helper()
	require.NoError(t, err)
	require.EqualValues(t, m.n+m.others, stats.Succeeded)
	require.EqualValues(t, m.n+m.others, stats.Read)
	require.Equal(t, m.n+m.others, m.once(t))
	require.Len(t, m.calls, m.n+m.others)
}

// breaks runs m to an end with the broken object.
func (m *mending) breaks(t *testing.T) int {
	t.Helper()
	stats, err := m.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.EqualValues(t, 1, stats.BrokenObjects)
	require.ErrorContains(t, err, m.key)
	n := m.once(t)
	require.Greater(t, n, m.others+10, "some items come before the break")
	require.Less(t, n, m.others+m.n)
	return n
}

func forEachMending(t *testing.T, test func(t *testing.T, m *mending)) {
	t.Helper()
	each, i := testsize.Sizes{Short: 7, Race: 7, Usual: 1}.Step(), 0
	all := breakings()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, around := range []string{"one", "filter", "concat", "flatten"} {
			if i++; i%each != 1%each {
				continue
			}
			t.Run(name+" "+around, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { test(t, newMending(t, all[name], around)) })
			})
		}
	}
}

// waits lets a call take 10 ms; mu is held.
func (m *mending) waits() {
	m.mu.Unlock()
	defer m.mu.Lock()
	time.Sleep(10 * time.Millisecond)
}
