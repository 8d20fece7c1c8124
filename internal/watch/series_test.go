package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// A run of three days keeps a bounded number of points, and no item is lost in joined ones.
func TestASeriesIsBoundedAndExact(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	s := newSeries(start)
	var settled, failed, commits int64
	for i := int64(1); i <= 3*24*3600; i++ {
		d := Delta{Settled: i % 7, Failed: i % 3, Commits: 1, InFlight: 10, Limit: 20}
		settled, failed, commits = settled+d.Settled, failed+d.Failed, commits+1
		s.add(start.Add(time.Duration(i)*time.Second), d, &dmap.CallTimes{})
		require.LessOrEqual(t, len(s.points), pointLimit)
	}
	out := s.from(0)
	require.Greater(t, len(out.Points), pointLimit/2-1)
	require.Equal(t, 2048.0, out.Step)
	at := 0.0
	for _, p := range out.Points {
		require.Equal(t, at, p.At)
		at += p.Seconds
		settled, failed, commits = settled-p.Settled, failed-p.Failed, commits-p.Commits
		require.Equal(t, 10.0, p.InFlight)
		require.Equal(t, 20, p.Limit)
	}
	require.Equal(t, []int64{0, 0, 0}, []int64{settled, failed, commits})
	require.Equal(t, float64(3*24*3600), at)
	require.Equal(t, float64(3*24*3600), out.Until)
}

func TestASeriesSurvivesAProcessThatSlept(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	s := newSeries(start)
	s.add(start.Add(time.Second), Delta{Settled: 5, Limit: 8}, &dmap.CallTimes{})
	s.add(start.Add(30*24*time.Hour), Delta{Settled: 7, Limit: 8}, &dmap.CallTimes{})
	s.add(start, Delta{Settled: 1, Limit: 8}, &dmap.CallTimes{}) // the clock was set back
	out := s.from(0)
	require.Less(t, len(out.Points), pointLimit)
	require.EqualValues(t, 5, out.Points[0].Settled)
	require.EqualValues(t, 8, out.Points[len(out.Points)-1].Settled)
	require.Equal(t, 8, out.Points[3].Limit, "the limit holds while nobody reads")
	require.Empty(t, s.from(len(out.Points)).Points)
	require.Len(t, s.from(-3).Points, len(out.Points))
}

func TestTheRateIsThatOfTheLatestTime(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	s := newSeries(start)
	_, ok := s.perSecond(time.Second)
	require.False(t, ok)
	for i := 1; i <= 60; i++ {
		n := int64(100)
		if i > 50 {
			n = 40
		}
		s.add(start.Add(time.Duration(i)*time.Second), Delta{Settled: n}, &dmap.CallTimes{})
	}
	rate, ok := s.perSecond(10 * time.Second)
	require.True(t, ok)
	require.Equal(t, 40.0, rate)
	rate, ok = s.perSecond(time.Minute)
	require.True(t, ok)
	require.Equal(t, 90.0, rate)
	_, ok = s.perSecond(2 * time.Minute)
	require.False(t, ok)
}

func TestMarksAreBoundedAndKeepTheFirst(t *testing.T) {
	var m marks
	for i := range 1000 {
		m.add(time.Unix(int64(i), 0), MarkEdit, "x")
	}
	require.Len(t, m.list, markLimit)
	require.EqualValues(t, 1000-markLimit, m.omitted)
	require.Equal(t, time.Unix(0, 0), m.list[0].At)
	require.Equal(t, time.Unix(keepFirst-1, 0), m.list[keepFirst-1].At)
	require.Equal(t, time.Unix(999, 0), m.list[markLimit-1].At)
}

// Readings that come a little after a point has ended make no point of some milliseconds with the
// items of a second.
func TestLateReadingsMakeNoShortPoints(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	s := newSeries(start)
	for i := 1; i <= 500; i++ {
		late := time.Duration(i%7) * 3 * time.Millisecond
		s.add(start.Add(time.Duration(i)*time.Second+late), Delta{Settled: 100}, &dmap.CallTimes{})
	}
	s.add(start.Add(500*time.Second+60*time.Millisecond), Delta{Settled: 3}, &dmap.CallTimes{})
	sum := int64(0)
	for _, p := range s.from(0).Points {
		require.InDelta(t, 100, float64(p.Settled)/p.Seconds, 30, "%+v", p)
		sum += p.Settled
	}
	require.EqualValues(t, 50_003, sum)
}
