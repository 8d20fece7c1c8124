package dmapweb

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// many is a run on many machines, which has the failures that its workers send.
type many struct {
	dmap.LiveRun // nil: its controls are not called

	failures []dmap.FailureGroup
	done     chan struct{}
}

func (m *many) ID() string { return "monday" }
func (m *many) Stats() dmap.Stats {
	return dmap.Stats{RunID: "monday", State: dmap.StateRunning, Failed: 9, Read: 9}
}
func (m *many) Times() dmap.Times                { return dmap.Times{} }
func (m *many) Written() int64                   { return 0 }
func (m *many) InFlight(int) []dmap.InFlightCall { return nil }
func (m *many) Done() <-chan struct{}            { return m.done }
func (m *many) Wait() (dmap.Stats, error)        { return m.Stats(), nil }
func (m *many) Failures() []dmap.FailureGroup    { return m.failures }

// watched is a page that shows m.
func watched(t *testing.T, opts Options, m *many) *page {
	p := open(t, opts)
	ctx := p.Observer().RunStarted(t.Context(), dmap.RunStart{RunSpec: dmap.RunSpec{RunID: "monday", Resumed: true}, Run: m})
	t.Cleanup(func() {
		close(m.done)
		p.Observer().RunEnded(ctx, dmap.RunEnd{Stats: m.Stats()})
	})
	require.Eventually(t, func() bool { return p.site.set.Find("monday").Groups().Whole }, 20*time.Second, time.Millisecond)
	return p
}

func TestARunOnManyMachinesShowsItsFailuresByGroup(t *testing.T) {
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	stored := read[groups](open(t, Options{Bucket: bucket, Prefix: "runs/"}), "/api/runs/monday/groups")
	first := stored.Groups[0]
	m := &many{done: make(chan struct{}), failures: []dmap.FailureGroup{
		{ID: first.ID, Class: first.Class, Message: first.Message, Count: 7}, {ID: "new", Message: "not absorbed", Count: 1}, {ID: "other", Count: 1},
	}}
	p := watched(t, Options{Bucket: bucket, Prefix: "runs/"}, m)
	got := read[groups](p, "/api/runs/monday/groups")
	require.EqualValues(t, 9, got.Total)
	require.False(t, got.Process, "they are of all processes")
	require.Len(t, got.Groups, 3)
	require.EqualValues(t, 7, got.Groups[0].Count, "as the workers say")
	require.Equal(t, first.Samples, got.Groups[0].Samples, "from the bucket")
	require.Equal(t, first.Where, got.Groups[0].Where)
	require.Empty(t, got.Groups[1].Samples)
	run := read[describe](p, "/api/runs/monday").Run
	require.True(t, run.Failures.Whole)
	require.Equal(t, "not absorbed", run.Failures.Groups[1].Message)
	require.NotEmpty(t, read[failuresPage](p, "/api/runs/monday/failures?group="+first.ID).Failures)
}

func TestAPageWithoutABucketSaysWhyItHasNoKeysOfWorkers(t *testing.T) {
	m := &many{done: make(chan struct{}), failures: []dmap.FailureGroup{{ID: "new", Message: "not absorbed", Count: 1}}}
	p := watched(t, Options{}, m)
	require.Equal(t, "not absorbed", read[groups](p, "/api/runs/monday/groups").Groups[0].Message)
	require.Contains(t, read[failuresPage](p, "/api/runs/monday/failures").Partial, "Workers send no keys")
}
