package lanes

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/runfolder"
)

func newRun(t *testing.T) Run {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	return Run{Bucket: bucket, Folder: "r/", Writer: "W"}
}

func (r Run) root(t *testing.T) *commits.Log {
	t.Helper()
	log, err := commits.Open(t.Context(), r.Bucket, r.Folder+runfolder.CommitsFolder, r.Writer)
	require.NoError(t, err)
	return log
}

func span(from, to int64) journal.Interval {
	return journal.Interval{Split: "s", From: journal.Cursor{Offset: from}, To: journal.Cursor{Offset: to}}
}

// settle is a commit of some items, with a state of a given size.
func settle(number, from, to int64, size int) journal.Commit {
	state, _ := json.Marshal(strings.Repeat("x", size))
	return journal.Commit{
		Number: number, Settled: []journal.Interval{span(from, to)}, Counts: journal.Counts{Read: to - from, Succeeded: to - from},
		States: map[string]json.RawMessage{"0": state},
	}
}

// ended writes the lane of an attempt that settles some items and ends.
func (r Run) ended(t *testing.T, ref lease.Ref, from, to int64, size int) {
	t.Helper()
	l, err := r.Open(t.Context(), ref, []dmap.Split{{ID: "s", From: dmap.Cursor{Offset: from}, To: dmap.Cursor{Offset: to}}})
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), journal.Commit{}, commits.Extra{}))
	require.NoError(t, l.Append(t.Context(), settle(1, from, to, size), commits.Extra{}))
	require.NoError(t, l.Append(t.Context(), journal.Commit{Number: 2, Clean: true}, commits.Extra{}))
	require.NoError(t, l.Append(t.Context(), journal.Commit{Number: 3, Clean: true}, commits.Extra{}), "an engine says it twice")
	require.ErrorIs(t, l.Append(t.Context(), settle(3, to, to+1, size), commits.Extra{}), dmap.ErrFenced)
}

// A lister keeps to pages, finds the newest attempt at each lease, ignores names that are no lanes,
// and does not look at leases below those that are absorbed.
func TestALeaseIsListedOnceWithItsNewestAttempt(t *testing.T) {
	r := newRun(t)
	write := func(name string) {
		require.NoError(t, r.Bucket.WriteAll(t.Context(), "r/lanes/"+name, nil, nil))
	}
	const leases = 1300 // of more than one page
	for n := range int64(leases) {
		for attempt := 1; attempt <= 1+int(n%3); attempt++ {
			write(runfolder.LaneName(n, attempt) + runfolder.CommitName(0))
		}
	}
	write("0000000-1/0.json")
	write("notes/x")
	write(runfolder.LaneName(7, 12) + "x")
	list := func(absorbed journal.Leases) (all []given) {
		l := r.list(absorbed)
		for {
			next, ok, err := l.next(t.Context())
			require.NoError(t, err)
			if !ok {
				return all
			}
			all = append(all, next)
		}
	}
	all := list(nil)
	require.Len(t, all, leases)
	for i, next := range all {
		last := 1 + int(next.lease%3)
		if next.lease == 7 {
			last = 12
		}
		require.Equal(t, given{int64(leases - 1 - i), last}, next)
	}
	require.Equal(t, []given{{1299, 1}, {1200, 1}}, list(journal.Leases{{From: 0, To: 1199}, {From: 1201, To: 1298}}))
	require.Empty(t, list(journal.Leases{{From: 0, To: leases}}))
}

// A record absorbs at most 1,000 leases, and no more than a bounded size.
func TestARecordAbsorbsABoundedNumberOfLeases(t *testing.T) {
	for _, c := range []struct{ leases, size, records int }{{1001, 1, 2}, {4, 9 << 20, 4}} {
		r := newRun(t)
		h, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
		require.NoError(t, err)
		for n := range int64(c.leases) {
			r.ended(t, lease.Ref{Lease: n, Attempt: 1, Era: h.Era()}, n, n+1, c.size)
		}
		require.NoError(t, h.Finish(t.Context(), nil, 0))
		absorbed := r.root(t).State
		require.Equal(t, int64(c.records+3), absorbed.Next(), "begins, closes, the leases, the last one")
		require.Equal(t, journal.Leases{{From: 0, To: int64(c.leases) - 1}}, absorbed.Absorbed())
		p := absorbed.Progress()
		require.Equal(t, []journal.Interval{span(0, int64(c.leases))}, p.Settled)
		require.EqualValues(t, c.leases, p.Counts.Read)
		require.Len(t, p.States["0"], c.leases)
	}
}

// Compacted records of a run keep its era and the leases that it has absorbed.
func TestCompactedRecordsKeepErasAndLeases(t *testing.T) {
	r := newRun(t)
	h, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
	require.NoError(t, err)
	for n := range int64(40) {
		ref := lease.Ref{Lease: 2 * n, Attempt: 1, Era: h.Era()}
		r.ended(t, ref, n, n+1, 1)
		require.NoError(t, h.Absorb(t.Context(), []lease.Ref{ref, ref}, 0))
		state := r.root(t).State
		require.Len(t, state.Absorbed(), int(n)+1)
		era, open, known := state.Era()
		require.True(t, known && open)
		require.Equal(t, h.Era(), era)
		header, err := runfolder.NewestHeader(t.Context(), r.Bucket, r.Folder)
		require.NoError(t, err)
		require.Equal(t, h.Era(), *header.Era)
		require.True(t, header.Shared)
		require.Equal(t, runfolder.FormatShared, header.Format, "older versions refuse the run")
	}
	require.Less(t, len(r.root(t).State), 16)
	require.EqualValues(t, 79, h.NextLease())
}

// A run that was never shared has the records of older versions.
func TestARunThatIsNotSharedHasNoEra(t *testing.T) {
	r := newRun(t)
	log := r.root(t)
	for n := range int64(20) {
		require.NoError(t, log.Append(t.Context(), journal.Commit{Number: n, Begins: n%5 == 0}, commits.Extra{}))
		header, err := runfolder.NewestHeader(t.Context(), r.Bucket, r.Folder)
		require.NoError(t, err)
		require.Nil(t, header.Era)
		require.Equal(t, runfolder.Format, header.Format)
	}
}

// A lease that settles what was settled before is refused: its results would count twice.
func TestLeasesThatOverlapAreRefused(t *testing.T) {
	r := newRun(t)
	h, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
	require.NoError(t, err)
	one, two := lease.Ref{Lease: 1, Attempt: 1, Era: h.Era()}, lease.Ref{Lease: 2, Attempt: 1, Era: h.Era()}
	r.ended(t, one, 0, 10, 1)
	r.ended(t, two, 9, 12, 1)
	require.ErrorIs(t, h.Absorb(t.Context(), []lease.Ref{one, two}, 0), dmap.ErrInternal)
	require.NoError(t, h.Absorb(t.Context(), []lease.Ref{one}, 0))
	require.ErrorIs(t, h.Absorb(t.Context(), []lease.Ref{two}, 0), dmap.ErrInternal)
	require.ErrorContains(t, h.Absorb(t.Context(), []lease.Ref{{Lease: 3, Attempt: 1, Era: 7}}, 0), "era 7")
}

// An item in flight in three attempts that died is a suspect in the fourth.
func TestAttemptsKnowWhatWasInFlight(t *testing.T) {
	r := newRun(t)
	h, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
	require.NoError(t, err)
	for attempt := range 4 {
		l, err := r.Open(t.Context(), lease.Ref{Attempt: attempt + 1, Era: h.Era()}, nil)
		require.NoError(t, err)
		p := l.Before()
		p.Apply(journal.Commit{Begins: true, Stuck: !p.Moved && !p.Clean})
		trials := p.OpenTrials()
		require.Len(t, trials, min(attempt, 1))
		if attempt > 0 {
			require.Equal(t, attempt, trials[0].Crashes)
			require.Equal(t, attempt, trials[0].Alone)
		}
		require.NoError(t, l.Append(t.Context(), journal.Commit{}, commits.Extra{}))
		at := int64(attempt)
		require.NoError(t, l.Append(t.Context(), settle(1, at, at+1, 1), commits.Extra{}))
		require.NoError(t, l.Append(t.Context(), journal.Commit{
			Number: 2, Alone: true, Trying: []journal.Trial{{Item: span(50, 51), ID: "x", Single: true}},
		}, commits.Extra{}))
	}
	l, err := r.Open(t.Context(), lease.Ref{Attempt: 5, Era: h.Era()}, nil)
	require.NoError(t, err)
	p := l.Before()
	require.EqualValues(t, 4, p.Counts.Read)
	p.Apply(journal.Commit{Begins: true})
	require.True(t, p.OpenTrials()[0].Suspect)
}

// A lane whose first record is of another lane is refused.
func TestAForgedLaneIsRefused(t *testing.T) {
	r := newRun(t)
	h, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
	require.NoError(t, err)
	r.ended(t, lease.Ref{Lease: 1, Attempt: 1, Era: h.Era()}, 0, 1, 1)
	for n := range int64(3) {
		name := runfolder.CommitName(n)
		require.NoError(t, r.Bucket.Copy(t.Context(), r.lane(2, 1).In+name, r.lane(1, 1).In+name, nil))
	}
	_, err = r.seal(t.Context(), 2, 1)
	require.ErrorContains(t, err, "attempt 1 at lease 1")
}

// A sealer gives up on an owner that writes each record first.
func TestSealingIsBounded(t *testing.T) {
	r := newRun(t)
	owner := r.lane(0, 1)
	records := 0
	faults := dmaptest.NewFaultBucket(t, r.Bucket)
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if ended && c.Op == dmaptest.OpList {
			records++
			if err := owner.Append(context.Background(), journal.Commit{Number: owner.State.Next()}, commits.Extra{}); err != nil {
				t.Error(err)
			}
		}
	})
	_, err := Run{Bucket: faults.Bucket, Folder: "r/", Writer: "S"}.seal(t.Context(), 0, 1)
	require.ErrorContains(t, err, "call again")
	require.Equal(t, mostRaces, records)
}

// An owner that has not begun when another process takes the run over is fenced at its first
// record, and one that has begun at its next one: before that its lane is taken in.
func TestAnOwnerOfAnEarlierEraIsFenced(t *testing.T) {
	r := newRun(t)
	h, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
	require.NoError(t, err)
	late, err := r.Open(t.Context(), lease.Ref{Lease: 1, Attempt: 1, Era: h.Era()}, nil)
	require.NoError(t, err)
	early, err := r.Open(t.Context(), lease.Ref{Lease: 2, Attempt: 1, Era: h.Era()}, nil)
	require.NoError(t, err)
	require.NoError(t, early.Append(t.Context(), journal.Commit{}, commits.Extra{}))
	require.NoError(t, early.Append(t.Context(), settle(1, 0, 5, 1), commits.Extra{}))

	second, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, second.Progress().Counts.Read)
	require.ErrorIs(t, early.Append(t.Context(), settle(2, 5, 10, 1), commits.Extra{}), dmap.ErrFenced)
	require.ErrorIs(t, late.Append(t.Context(), journal.Commit{}, commits.Extra{}), dmap.ErrFenced)
	_, err = r.Join(r.root(t), h.Era())
	require.ErrorIs(t, err, dmap.ErrFenced)
	require.ErrorIs(t, h.Absorb(t.Context(), []lease.Ref{{Lease: 1, Attempt: 1, Era: h.Era()}}, 0), dmap.ErrFenced)
	require.NoError(t, second.Finish(t.Context(), nil, 0))
	require.EqualValues(t, 5, r.root(t).State.Progress().Counts.Read)
}

// The next attempt fences the one before, and continues it.
func TestTheNextAttemptFencesTheOneBefore(t *testing.T) {
	r := newRun(t)
	h, err := r.Begin(t.Context(), r.root(t), lease.Starter{}, nil)
	require.NoError(t, err)
	first, err := r.Open(t.Context(), lease.Ref{Attempt: 1, Era: h.Era()}, nil)
	require.NoError(t, err)
	require.NoError(t, first.Append(t.Context(), journal.Commit{}, commits.Extra{}))
	require.NoError(t, first.Append(t.Context(), settle(1, 0, 5, 1), commits.Extra{}))
	third, err := r.Open(t.Context(), lease.Ref{Attempt: 3, Era: h.Era()}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, third.Before().Counts.Read)
	require.ErrorIs(t, first.Append(t.Context(), settle(2, 5, 10, 1), commits.Extra{}), dmap.ErrFenced)
	second, err := r.Open(t.Context(), lease.Ref{Attempt: 2, Era: h.Era()}, nil)
	require.NoError(t, err)
	require.ErrorIs(t, second.Append(t.Context(), journal.Commit{}, commits.Extra{}), dmap.ErrFenced)
	require.NoError(t, third.Append(t.Context(), journal.Commit{}, commits.Extra{}))
}

// An attempt to begin that comes back does not take the run from the next attempt of the same host,
// whichever of them writes first.
func TestAnAttemptToBeginThatComesBackIsFenced(t *testing.T) {
	first, second, other := lease.Starter{ID: "w", Attempt: 1}, lease.Starter{ID: "w", Attempt: 2}, lease.Starter{ID: "v", Attempt: 1}
	r := newRun(t)
	before, late := r.root(t), r.root(t)
	h, err := r.Begin(t.Context(), before, second, nil)
	require.NoError(t, err)
	_, err = r.Begin(t.Context(), late, first, nil)
	require.ErrorIs(t, err, dmap.ErrFenced, "it has read the run before")
	_, err = r.Begin(t.Context(), r.root(t), first, nil)
	require.ErrorIs(t, err, dmap.ErrFenced)
	_, err = r.Join(r.root(t), h.Era())
	require.NoError(t, err)

	before = r.root(t)
	_, err = r.Begin(t.Context(), r.root(t), other, nil)
	require.NoError(t, err, "another host may")
	_, err = r.Begin(t.Context(), before, second, nil)
	require.ErrorIs(t, err, dmap.ErrFenced, "another host was first")

	r = newRun(t)
	before = r.root(t)
	h1, err := r.Begin(t.Context(), r.root(t), first, nil)
	require.NoError(t, err)
	h2, err := r.Begin(t.Context(), before, second, nil)
	require.NoError(t, err, "its own earlier attempt was first")
	require.Greater(t, h2.Era(), h1.Era())
}
