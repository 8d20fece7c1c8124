package sink_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
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

// A redrive reads the rest of an object that was mended: each item is called once.
func TestARedriveReadsTheRestOfAMendedObject(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.breaks(t)
		m.upload(t, 1)
		stats, err := m.run(t.Context())
		m.complete(t, stats, err)
		require.Zero(t, stats.BrokenObjects)
		for n, calls := range m.calls {
			require.Equal(t, 1, calls, n)
		}
	})
}

// Items before the break that have failed run again too, also if they fail once more meanwhile, and
// if the object breaks off again further on.
func TestFailedItemsOfAMendedObjectRunAgain(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.fails = func(n int) bool { return n%10 == 3 }
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.EqualValues(t, 1, stats.BrokenObjects)
		m.once(t)

		m.upload(t, 0.8)
		m.fails = func(n int) bool { return n%20 == 3 }
		stats, err = m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.EqualValues(t, 1, stats.BrokenObjects)
		m.once(t)
		for _, r := range listed(t, m.bucket)["FAILED"] {
			require.Equal(t, "error", r["class"], r)
		}
		require.Equal(t, 2, m.calls[3])

		m.upload(t, 1)
		m.fails = nil
		stats, err = m.run(t.Context())
		m.complete(t, stats, err)
		for n, calls := range m.calls {
			require.LessOrEqual(t, calls, 3, n)
		}
	})
}

// An object that breaks off again further on is read on from there each time.
func TestAnObjectIsMendedInSteps(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		before := 0
		for _, part := range []float64{0.4, 0.6, 0.85} {
			m.upload(t, part)
			now := m.breaks(t)
			require.Greater(t, now, before)
			before = now
		}
		m.upload(t, 1)
		stats, err := m.run(t.Context())
		m.complete(t, stats, err)
		for n, calls := range m.calls {
			require.Equal(t, 1, calls, n)
		}
	})
}

// interrupted runs m for a while, each call of which takes 10 ms, and interrupts its calls: only
// what it has committed counts.
func (m *mending) interrupted(t *testing.T, after time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	m.fails = func(int) bool {
		m.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		m.mu.Lock()
		return false
	}
	defer func() { m.fails = nil }()
	_, err := m.run(ctx)
	return err
}

// A redrive that is stopped in the middle of the rest continues with the same object, and reads no
// other one.
func TestARedriveOfAMendedObjectIsStoppedAndContinues(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		first := m.breaks(t)
		m.upload(t, 1)
		_, err := suspendSoon(t, &m.daily, 65*time.Millisecond)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.ErrorIs(t, m.interrupted(t, 65*time.Millisecond), context.DeadlineExceeded)
		require.Greater(t, len(m.calls), first+10)
		require.Less(t, len(m.calls), m.n+m.others)

		whole := m.of(0, m.n)
		m.put(t, m.key, append(m.of(0, m.n), m.of(0, m.n)...)) // the same before the break, and not what was read since
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.ErrorContains(t, err, "it changed after a part of it was read")
		require.EqualValues(t, 1, stats.BrokenObjects)
		require.Less(t, m.once(t), m.n+m.others)

		m.put(t, m.key, whole)
		_, err = m.run(t.Context())
		require.ErrorContains(t, err, "it changed", "the rest of what was read then has no hash")
	})
}

// A redrive that is stopped again and again reads each item of the rest once.
func TestARedriveOfAMendedObjectIsStoppedOften(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.breaks(t)
		m.upload(t, 1)
		var stats dmap.Stats
		err := error(dmap.ErrOpen)
		for i := 0; errors.Is(err, dmap.ErrOpen); i++ {
			require.Less(t, i, 50)
			if err = m.interrupted(t, time.Duration(45+7*i)*time.Millisecond); err != nil {
				stats, err = suspendSoon(t, &m.daily, 45*time.Millisecond)
			}
			if i == 1 && err != nil { // the next call is another redrive
				require.NoError(t, sink.End(t.Context(), m.bucket, "out", "r"))
			}
		}
		if stats.Read == 0 {
			stats, err = m.run(t.Context())
		}
		m.complete(t, stats, err)
	})
}

// Where the content before the break is not the same, the object has changed: its rest stays
// unread, all else is processed, and the error names the way out. A redrive reads the right object.
func TestAMendedObjectWithOtherContentBeforeTheBreakHasChanged(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.fails = func(n int) bool { return n == 3 || n == 1001 }
		_, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		m.fails = nil
		m.put(t, m.key, m.of(5000, m.n))
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.NotErrorIs(t, err, dmap.ErrSpecChanged)
		require.ErrorContains(t, err, "it changed after a part of it was read: version was ")
		require.ErrorContains(t, err, "a new RunID")
		require.EqualValues(t, 1, stats.BrokenObjects)
		require.EqualValues(t, 1, stats.Failed, "number 3")
		m.once(t)
		for _, r := range listed(t, m.bucket)["FAILED"] {
			require.Equal(t, "changed", r["class"])
		}
		require.Contains(t, string(newestManifest(t, m.bucket).Unread), m.key)

		m.upload(t, 1)
		stats, err = m.run(t.Context())
		m.complete(t, stats, err)
	})
}

// A run is canceled when its object has broken off, with items before the break that are pending.
// They are read from the mended object, and so are those of a trial.
func TestPendingItemsOfAMendedObjectAreRead(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		calls := 0
		m.fails = func(n int) bool {
			if calls++; calls == 25 {
				m.cancel()
			}
			m.mu.Unlock()
			time.Sleep(10 * time.Millisecond) // meanwhile the object breaks off
			m.mu.Lock()
			return n%5 == 1
		}
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.EqualValues(t, 1, stats.BrokenObjects)
		require.Positive(t, stats.Pending)
		require.Positive(t, stats.Failed)
		m.once(t)

		m.upload(t, 1)
		m.fails = nil
		choice := m.opts.Redrive
		m.opts.Redrive = dmap.Redrive{Limit: 2, Canceled: true}
		trial, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrEnded)
		require.Equal(t, stats.Succeeded+2, trial.Succeeded)
		require.Equal(t, stats.Failed-2, trial.Failed)
		m.once(t)

		m.opts.Redrive = choice
		stats, err = m.run(t.Context())
		m.complete(t, stats, err)
	})
}
