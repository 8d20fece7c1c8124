package source_test

import (
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
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// every returns the texts of every kth of n entries.
func every(k, n int, text string) map[int]string {
	texts := map[int]string{}
	for i := k / 2; i < n; i += k {
		texts[i] = text + fmt.Sprintf("%03d", i)
	}
	return texts
}

// anchors are the places from which the failed rows of the run were counted.
func (m *mender) anchors(t *testing.T) []string {
	t.Helper()
	end, err := results.Load(t.Context(), m.out, "out", "r")
	require.NoError(t, err)
	all := map[string]bool{}
	for _, part := range end.FailedParts {
		content, err := m.out.ReadAll(t.Context(), part.Key)
		require.NoError(t, err)
		for line := range strings.Lines(string(content)) {
			_, from, ok := strings.Cut(line, `"from":`)
			require.True(t, ok, line)
			from, _, _ = strings.Cut(from, "}")
			all[from] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// A large object is read in parts: the rows of each count from its start. So rows are found in all
// parts that begin where they did before, also if a part before them has another number of rows.
func TestMendedRowsOfALargeObjectAreFoundInItsParts(t *testing.T) {
	kinds := mendables()
	for _, kind := range []string{"csv", "json lines", "filter", "concat"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 600
				m := newMender(t, kinds[kind])
				divide := func(src dmap.Source[entry]) dmap.Source[entry] { return source.Divide(src, 1000) }
				m.open = func(b *blob.Bucket) dmap.Source[entry] {
					switch kind {
					case "json lines":
						return divide(source.JSONLines[entry](b, m.key))
					case "concat":
						return source.Concat(divide(csvEntries(b, m.key)), source.Slice([]entry{{"s", "ok"}}))
					case "filter":
						return source.Filter(divide(csvEntries(b, m.key)), func(e entry) bool { return e.ID != "003" })
					}
					return divide(csvEntries(b, m.key))
				}
				m.put(t, m.key, m.of(entriesWith(n, every(20, n, "bad"))))
				_, err := m.run(t.Context())
				require.NoError(t, err)
				failed := len(m.failures(t))
				require.Equal(t, n/20, failed)
				require.Greater(t, len(m.anchors(t)), 3)

				now := entriesWith(n, every(20, n, "fix")) // two rows of the first part are one, as long as both
				merged := append(slices.Clone(now[:2]), now[3:]...)
				merged[1].Text += strings.Repeat("+", len(m.of(now[1:3]))-len(m.of(now[1:2])))
				m.put(t, m.key, m.of(merged))
				stats, err := m.run(t.Context())
				require.NoError(t, err)
				require.Positive(t, stats.Failed, "those of the first part")
				require.Less(t, stats.Failed, int64(failed/2))
				for _, text := range m.failures(t) {
					require.Contains(t, text, " now, it was number ")
				}
				shorter := slices.Clone(now)
				shorter[1].Text += "++"
				m.put(t, m.key, m.of(shorter))
				_, err = m.run(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, stats.Failed, len(m.failures(t)), "no row begins where it did")

				m.put(t, m.key, m.of(now))
				stats, err = m.run(t.Context())
				require.NoError(t, err)
				require.Zero(t, stats.Failed)
				for text, calls := range m.calls {
					require.Equal(t, 1, calls, text)
				}
			})
		})
	}
}

// If no row begins where a part began, its rows are refused.
func TestRowsOfAPartThatBeginsInsideARowAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 600
		m := newMender(t, mendables()["csv"])
		m.open = func(b *blob.Bucket) dmap.Source[entry] { return source.Divide(csvEntries(b, m.key), 1000) }
		m.put(t, m.key, m.of(entriesWith(n, map[int]string{500: "bad"})))
		_, err := m.run(t.Context())
		require.NoError(t, err)
		from := m.anchors(t)
		require.Len(t, from, 1)
		at := 0
		_, err = fmt.Sscanf(from[0], `{"offset":%d`, &at)
		require.NoError(t, err)
		content := []byte(m.of(entriesWith(n, map[int]string{500: "fix"})))
		content[at-1] = '+'
		m.put(t, m.key, string(content))
		m.refused(t, fmt.Sprintf("object \"in/m.csv\" changed: byte %d was the start of a record, now none", at))
	})
}

// suspended runs m for a while, and then lets the calls in flight end.
func (m *mender) suspended(t *testing.T, after time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer time.AfterFunc(after, func() { cancel(dmap.ErrSuspended) }).Stop()
	_, err := m.run(ctx)
	return err
}

// A process that resumes a run counts from where it has begun to read. Whatever rows it has read in
// between, each is found.
func TestMendedRowsOfAResumedRunAreFound(t *testing.T) {
	const n = 72
	forEachMendable(t, func(t *testing.T, m *mender) {
		m.slow, m.opts.CommitEvery = 10*time.Millisecond, 5*time.Millisecond
		m.opts.Retry = dmap.Retry{MaxAttempts: 2, Initial: 300 * time.Millisecond} // rows that wait leave gaps
		m.put(t, m.key, m.of(entriesWith(n, every(6, n, "bad"))))
		resumed, err := 0, dmap.ErrOpen
		for ; errors.Is(err, dmap.ErrOpen); resumed++ {
			require.Less(t, resumed, 60)
			err = m.suspended(t, 120*time.Millisecond)
		}
		require.NoError(t, err)
		require.Greater(t, resumed, 3)
		require.Len(t, m.failures(t), n/6)
		require.Greater(t, len(m.anchors(t)), 2)

		fixed := every(6, n, "fix")
		fixed[n-1] = "ok" + strings.Repeat("+", 20)
		m.put(t, m.key, m.of(entriesWith(n, fixed)))
		resumed, err = 0, dmap.ErrOpen
		for ; errors.Is(err, dmap.ErrOpen); resumed++ {
			require.Less(t, resumed, 60)
			m.changed = resumed == 0 // the redrive continues with its own choice
			err = m.suspended(t, 35*time.Millisecond)
		}
		require.NoError(t, err)
		require.Greater(t, resumed, 1)
		require.Empty(t, m.failures(t))
		for i := 3; i < n; i += 6 {
			require.Equal(t, 1, m.calls[fmt.Sprintf("fix%03d", i)], i)
		}
	})
}

// Many rows of an object are found in few readings, also if some of them have failed again after it
// has changed, and so are in another version of it than the rows between them.
func TestManyMendedRowsAreFoundInFewReadings(t *testing.T) {
	// Each of the first groups of rows may find out that the object has changed. A group has 64
	// rows where those of two versions alternate, and each opens the object at most five times.
	const n, most = 1200, 10 + 5*(1200/4/64+1)
	for _, kind := range []string{"csv", "csv gzip", "flatten"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMender(t, mendables()[kind])
				store := dmaptest.NewFaultBucket(t, m.in)
				m.in = store.Bucket
				readings := func(match func(*dmap.ItemError) bool) int {
					m.match = match
					before := store.Calls(dmaptest.OpOpen)
					_, err := m.run(t.Context())
					require.NoError(t, err)
					return store.Calls(dmaptest.OpOpen) - before
				}
				m.put(t, m.key, m.of(entriesWith(n, every(4, n, "bad"))))
				readings(nil)
				m.put(t, m.key, m.of(entriesWith(n, every(4, n, "bad"))))
				require.LessOrEqual(t, readings(func(e *dmap.ItemError) bool { return e.Index%8 == 2 }), most)
				require.Equal(t, 2, m.calls["bad002"])
				require.Equal(t, 1, m.calls["bad006"])
				require.LessOrEqual(t, readings(nil), most, "half of the rows are in this version")
				require.Equal(t, 3, m.calls["bad002"])
				require.Equal(t, 2, m.calls["bad006"])
				m.put(t, m.key, m.of(entriesWith(n, every(4, n, "bad"))))
				require.LessOrEqual(t, readings(func(e *dmap.ItemError) bool { return e.Index%8 == 2 }), most)
				m.put(t, m.key, m.of(entriesWith(n, every(4, n, "fix"))))
				require.LessOrEqual(t, readings(nil), most, "the rows are in two versions, and the object is in another one")
				require.Empty(t, m.failures(t))
			})
		})
	}
}
