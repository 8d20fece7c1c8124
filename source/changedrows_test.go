package source_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// entry is a record of the tests below.
type entry struct {
	ID   string `json:"id" csv:"id"`
	Text string `json:"text" csv:"text"`
}

// mendable is a kind of object in which a person mends records.
type mendable struct {
	key  string
	of   func(entries []entry) string
	open func(*blob.Bucket) dmap.Source[entry]
}

const mendableHeader = "id,text\n"

func asCSV(entries []entry) string {
	var b strings.Builder
	b.WriteString(mendableHeader)
	for _, e := range entries {
		fmt.Fprintf(&b, "%s,%s\n", e.ID, e.Text)
	}
	return b.String()
}

func asJSON(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "{\"id\":%q,\"text\":%q}\n", e.ID, e.Text)
	}
	return b.String()
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return b.String()
}

func csvEntries(b *blob.Bucket, key string) dmap.Source[entry] {
	return source.CSV(b, key, source.Into[entry])
}

// mendables are the kinds, and the sources that may wrap them.
func mendables() map[string]mendable {
	each := func(o source.Object) dmap.Source[entry] { return source.CSVOf(o, source.Into[entry]) }
	return map[string]mendable{
		"csv":        {"in/m.csv", asCSV, func(b *blob.Bucket) dmap.Source[entry] { return csvEntries(b, "in/m.csv") }},
		"csv gzip":   {"in/m.csv.gz", func(e []entry) string { return zipped(asCSV(e)) }, func(b *blob.Bucket) dmap.Source[entry] { return csvEntries(b, "in/m.csv.gz") }},
		"json lines": {"in/m.jsonl", asJSON, func(b *blob.Bucket) dmap.Source[entry] { return source.JSONLines[entry](b, "in/m.jsonl") }},
		"json array": {"in/m.json", func(e []entry) string {
			return "[" + strings.TrimSuffix(strings.ReplaceAll(asJSON(e), "\n", ",\n"), ",\n") + "]"
		}, func(b *blob.Bucket) dmap.Source[entry] { return source.JSONArray[entry](b, "in/m.json") }},
		"flatten": {"in/m.csv", asCSV, func(b *blob.Bucket) dmap.Source[entry] { return source.Flatten(source.Objects(b, "in/"), each) }},
		"concat": {"in/m.csv", asCSV, func(b *blob.Bucket) dmap.Source[entry] {
			return source.Concat(source.Slice([]entry{{"s", "ok"}}), csvEntries(b, "in/m.csv"))
		}},
		"filter": {"in/m.csv", asCSV, func(b *blob.Bucket) dmap.Source[entry] {
			kept := source.Filter(csvEntries(b, "in/m.csv"), func(e entry) bool { return e.Text != "drop" })
			return source.Transform(kept, func(_ context.Context, e entry) (entry, error) { return e, nil })
		}},
	}
}

// mender is a run over an object whose records a person mends.
type mender struct {
	mendable
	in, out *blob.Bucket
	changed bool // Redrive.Changed
	match   func(*dmap.ItemError) bool
	opts    dmap.Options
	slow    time.Duration // of a call

	mu    sync.Mutex
	calls map[string]int // by text
}

func newMender(t *testing.T, kind mendable) *mender {
	t.Helper()
	return &mender{mendable: kind, in: memory(t, nil), out: memory(t, nil), changed: true, calls: map[string]int{}}
}

func (m *mender) put(t *testing.T, key, content string) {
	t.Helper()
	time.Sleep(time.Hour) // bodies have the time in seconds
	require.NoError(t, m.in.WriteAll(t.Context(), key, []byte(content), nil))
}

// run runs or redrives. Entries whose text starts with "bad" fail.
func (m *mender) run(ctx context.Context) (dmap.Stats, error) {
	opts := m.opts
	opts.RunID, opts.MaxConcurrency = "r", 2
	opts.Redrive = dmap.Redrive{Max: 9, Tolerated: true, Changed: m.changed, Match: m.match}
	opts.Tolerance.Percentage = 100
	return dmap.Map(ctx, m.open(m.in), func(_ context.Context, e entry) (string, error) {
		time.Sleep(m.slow)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.calls[e.Text]++
		if strings.HasPrefix(e.Text, "bad") {
			return "", errors.New("it is bad")
		}
		return e.Text, nil
	}, opts, sink.Bucket[string](m.out, "out", sink.BucketOptions{Inputs: sink.InputsAll}))
}

// failures are the failed items of the run, by their keys and offsets.
func (m *mender) failures(t *testing.T) map[string]string {
	t.Helper()
	end, err := results.Load(t.Context(), m.out, "out", "r")
	require.NoError(t, err)
	s := end.Stats
	require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Held+s.Pending)
	failed := map[string]string{}
	for f, err := range results.Failures(t.Context(), m.out, end) {
		require.NoError(t, err)
		failed[f.ID] = f.Class + ": " + f.Error
	}
	require.Len(t, failed, int(s.Failed))
	return failed
}

// entries are n entries, of which some have other texts.
func entriesWith(n int, texts map[int]string) []entry {
	all := make([]entry, n)
	for i := range all {
		all[i] = entry{fmt.Sprintf("%03d", i), fmt.Sprintf("ok%03d", i)}
		if text, ok := texts[i]; ok {
			all[i].Text = text
		}
	}
	return all
}

func forEachMendable(t *testing.T, test func(t *testing.T, m *mender)) {
	t.Helper()
	for name, kind := range mendables() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newMender(t, kind)) })
		})
	}
}

// The rows that failed are mended in the file: they run again, with the values that they have now.
func TestARedriveTakesMendedRowsOfAChangedObject(t *testing.T) {
	forEachMendable(t, func(t *testing.T, m *mender) {
		m.put(t, "in/a.csv", asCSV(entriesWith(5, map[int]string{1: "bad in a"})))
		m.put(t, m.key, m.of(entriesWith(40, map[int]string{7: "bad 7", 9: "drop", 20: "bad 20", 39: "bad 39"})))
		_, err := m.run(t.Context())
		require.NoError(t, err)
		before := m.failures(t)

		m.put(t, m.key, m.of(entriesWith(40, map[int]string{7: "new 7", 9: "drop", 20: "bad 2x", 39: "new 39 longer than before"})))
		stats, err := m.run(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, m.calls["new 7"])
		require.Equal(t, 1, m.calls["bad 2x"])
		require.Equal(t, 1, m.calls["new 39 longer than before"])
		require.Equal(t, 1, m.calls["ok001"], "no other row is called again")
		after := m.failures(t)
		for id, text := range after {
			require.Contains(t, before, id)
			require.True(t, strings.HasPrefix(text, "error: "), text)
		}

		m.changed = false
		_, err = m.run(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, m.calls["bad 2x"], "a row that failed again is known in the version in which it did")
		require.Equal(t, after, m.failures(t))
		m.changed = true

		m.put(t, m.key, m.of(entriesWith(40, map[int]string{7: "new 7", 9: "drop", 20: "ok2", 39: "gone"})))
		m.put(t, "in/a.csv", asCSV(entriesWith(5, map[int]string{1: "new in a"})))
		again, err := m.run(t.Context())
		require.NoError(t, err)
		require.Zero(t, again.Failed)
		require.Equal(t, stats.Read, again.Read)
		require.Equal(t, 1, m.calls["ok2"])
		require.Zero(t, m.calls["gone"])
	})
}
