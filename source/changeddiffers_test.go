package source_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// refused redrives m, whose object has changed, and requires that no row of it is called.
func (m *mender) refused(t *testing.T, want string) {
	t.Helper()
	calls := len(m.calls)
	_, err := m.run(t.Context())
	require.NoError(t, err)
	require.Len(t, m.calls, calls, "no row is called")
	failed := m.failures(t)
	require.Len(t, failed, 1)
	for id, text := range failed {
		require.True(t, strings.HasPrefix(text, "changed: read: item \""+id+"\": "), text)
		require.Contains(t, text, want)
		require.Contains(t, text, "a new RunID")
	}
}

// A row that is not certainly the row that failed is not taken. The error says what differs.
func TestARedriveRefusesOtherRowsOfAChangedObject(t *testing.T) {
	before := entriesWith(12, map[int]string{5: "bad"})
	fixed := entriesWith(12, map[int]string{5: "fix"})
	for name, c := range map[string]struct {
		now  func(m *mender) string
		want string
		only string // this kind; empty: each
		not  bool   // Redrive.Changed
	}{
		"a row before is longer": {now: func(m *mender) string {
			return m.of(entriesWith(12, map[int]string{2: "ok2+", 5: "fix"}))
		}, want: "no record begins at byte "},
		"a row was inserted before": {now: func(m *mender) string {
			return m.of(append([]entry{{"new", "new"}}, fixed...))
		}, want: "no record begins at byte "},
		"two rows before were merged": {now: func(m *mender) string {
			merged := entry{"001", "ok001" + strings.Repeat("+", len(m.of(before[1:3]))-len(m.of(before[1:2])))}
			return m.of(append(append([]entry{before[0]}, merged), fixed[3:]...))
		}, want: "is number 5 now, it was number 6", only: "csv"},
		"two lines before were merged": {now: func(m *mender) string {
			merged := entry{"001", "ok001" + strings.Repeat("+", len(asJSON(before[1:2])))}
			return m.of(append(append([]entry{before[0]}, merged), fixed[3:]...))
		}, want: "is number 5 now, it was number 6", only: "json lines"},
		"the header is another one": {now: func(m *mender) string {
			return strings.Replace(asCSV(fixed), "id,text", "id,next", 1)
		}, want: "its header is another one now", only: "csv"},
		"the header names a column twice": {now: func(m *mender) string {
			return strings.Replace(asCSV(fixed), "id,text", "idx,idx", 1)
		}, want: "its header is another one now", only: "csv"},
		"the header has an open quote": {now: func(m *mender) string {
			return strings.Replace(asCSV(fixed), "id,text", "\"d,text", 1)
		}, want: "its header is another one now", only: "csv"},
		"it is shorter": {now: func(m *mender) string { return m.of(fixed[:5]) }, want: "it ends before byte "},
		"it is empty":   {now: func(*mender) string { return "" }, want: "its header is another one now", only: "csv"},
		"the option is not set": {now: func(m *mender) string { return m.of(fixed) },
			want: "changed: ", not: true},
	} {
		for kind, k := range mendables() {
			if c.only != "" && c.only != kind {
				continue
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := newMender(t, k)
					m.changed = !c.not
					m.put(t, m.key, m.of(before))
					_, err := m.run(t.Context())
					require.NoError(t, err)
					m.put(t, m.key, c.now(m))
					m.refused(t, c.want)
					if m.changed = true; !c.not {
						m.refused(t, c.want)
					}
					m.put(t, m.key, m.of(fixed))
					stats, err := m.run(t.Context())
					require.NoError(t, err)
					require.Zero(t, stats.Failed, "it is taken when the object has it again")
					require.Equal(t, 1, m.calls["fix"])
				})
			})
		}
	}
}

// withoutLayout is a source of the time before Plan.Layout, or of a user.
type withoutLayout struct{ dmap.Source[entry] }

func (w withoutLayout) String() string { return w.Source.(fmt.Stringer).String() }

func (w withoutLayout) Plan() dmap.Plan[entry] {
	p := dmap.PlanOf(w.Source)
	p.Layout = nil
	return p
}

// Where nobody knows the number of a row, or the source cannot say how its object is read now, rows
// of changed objects fail as without Changed.
func TestRowsWhoseNumberIsNotKnownAreRefused(t *testing.T) {
	type open = func(*blob.Bucket) dmap.Source[entry]
	with := mendables()["csv"].open
	without := func(b *blob.Bucket) dmap.Source[entry] { return withoutLayout{with(b)} }
	part := func(b *blob.Bucket) dmap.Source[entry] {
		return source.Concat(without(b), csvEntries(b, "in/other.csv"))
	}
	inner := func(b *blob.Bucket) dmap.Source[entry] {
		return source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[entry] {
			return withoutLayout{source.CSVOf(o, source.Into[entry])}
		})
	}
	const asBefore = "object \"in/m.csv\" changed: "
	for name, c := range map[string]struct {
		first, then open
		want        string
	}{
		"recorded by an earlier version": {without, with, "its object has changed: the run has not recorded the number and the header of the row"},
		"a source without a Layout":      {with, without, asBefore},
		"a part of a Concat":             {part, part, asBefore},
		"the source of a Flatten":        {inner, inner, asBefore},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMender(t, mendables()["csv"])
				m.open = c.first
				m.put(t, "in/other.csv", asCSV(entriesWith(3, nil)))
				m.put(t, m.key, m.of(entriesWith(12, map[int]string{5: "bad"})))
				_, err := m.run(t.Context())
				require.NoError(t, err)
				m.open = c.then
				m.put(t, m.key, m.of(entriesWith(12, map[int]string{5: "fix"})))
				m.refused(t, c.want)
				m.refused(t, c.want)
			})
		})
	}
}

// A redrive asks the store for no more than before, unless an object has changed and the option is
// set.
func TestChangedRowsCostNoRequestsOfOthers(t *testing.T) {
	requests := func(t *testing.T, changed bool, text string) (list []dmaptest.Call) {
		synctest.Test(t, func(t *testing.T) {
			m := newMender(t, mendables()["csv"])
			store := dmaptest.NewFaultBucket(t, m.in)
			m.in, m.changed = store.Bucket, changed
			m.put(t, m.key, m.of(entriesWith(12, map[int]string{5: "bad", 9: "bad"})))
			_, err := m.run(t.Context())
			require.NoError(t, err)
			if text != "" {
				m.put(t, m.key, m.of(entriesWith(12, map[int]string{5: text, 9: text})))
			}
			store.Record(dmaptest.OpOpen, dmaptest.OpAttributes, dmaptest.OpList)
			_, err = m.run(t.Context())
			require.NoError(t, err)
			list = store.Log()
		})
		return list
	}
	without := requests(t, false, "")
	require.NotEmpty(t, without)
	require.Len(t, requests(t, true, ""), len(without), "the object has not changed")
	refused := requests(t, false, "fix")
	require.Len(t, refused, 2, "each row asks for the version: %v", refused)
	taken := requests(t, true, "fix")
	require.LessOrEqual(t, len(taken), 5, "the version twice, the header, and one reading of both rows: %v", taken)
}
