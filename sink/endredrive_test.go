package sink_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// requireEachOnce reads a run with results: its records are those that its Stats count, and no item
// has two.
func requireEachOnce(t *testing.T, bucket *blob.Bucket) *results.Run {
	t.Helper()
	r, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	seen := map[string]string{}
	add := func(id, status string) {
		require.Empty(t, seen[id], "%s is %s too", id, status)
		seen[id] = status
	}
	ok := collect(t, results.Successes[int](t.Context(), bucket, r))
	bad := collect(t, results.Failures(t.Context(), bucket, r))
	open := collect(t, results.Pending(t.Context(), bucket, r))
	for _, s := range ok {
		add(s.ID, "SUCCEEDED")
	}
	for _, f := range bad {
		add(f.ID, "FAILED")
	}
	for _, p := range open {
		add(p.ID, "PENDING")
	}
	require.Len(t, ok, int(r.Stats.Succeeded))
	require.Len(t, bad, int(r.Stats.Failed))
	require.Len(t, open, int(r.Stats.Pending))
	require.Equal(t, r.Stats.Read, r.Stats.Succeeded+r.Stats.Failed+r.Stats.Skipped+r.Stats.Pending)
	requireGrouped(t, bucket)
	return r
}

// notBegun is a copy of bucket as a crash leaves it between the record of redrive 1 and the commit
// that begins it.
func notBegun(t *testing.T, bucket *blob.Bucket) *blob.Bucket {
	t.Helper()
	m, err := runfolder.LoadManifest(t.Context(), bucket, "out/r/", "r")
	require.NoError(t, err)
	require.Zero(t, m.Redrive)
	out := memory(t)
	for _, key := range keys(t, bucket) {
		if n, ok := runfolder.CommitNumber(strings.TrimPrefix(key, "out/r/commits/")); ok && n >= m.Commits {
			continue
		}
		content, err := bucket.ReadAll(t.Context(), key)
		require.NoError(t, err)
		require.NoError(t, out.WriteAll(t.Context(), key, content, nil))
	}
	return out
}

func TestAnOpenRedriveIsReadWithoutAnItemTwiceAndCanBeEnded(t *testing.T) {
	for name, test := range map[string]struct {
		redrive dmap.Redrive
		begun   bool
	}{
		"begun":           {dmap.Redrive{Max: 2}, true},
		"recorded":        {dmap.Redrive{Max: 2}, false},
		"trial":           {dmap.Redrive{Limit: 20}, true},
		"recorded, trial": {dmap.Redrive{Limit: 20}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 400
				d := newDaily(t, n)
				d.opts.CommitEvery = 10 * time.Millisecond
				d.opts.Tolerance.Percentage, d.opts.Tolerance.MinItems = 20, 200
				d.endFailed(t)
				first := requireEachOnce(t, d.bucket)
				require.Equal(t, results.Failed, first.Status)
				require.Greater(t, first.Stats.Failed, int64(20))

				d.opts.Redrive, d.opts.Tolerance.Percentage = test.redrive, 100
				_, err := suspendSoon(t, d, 35*time.Millisecond)
				require.ErrorIs(t, err, dmap.ErrOpen)
				bucket := d.bucket
				if !test.begun {
					bucket = notBegun(t, bucket)
				}
				r := requireEachOnce(t, bucket)
				require.Equal(t, results.Open, r.Status)
				require.Equal(t, dmap.StateOpen, r.Stats.State)
				require.Equal(t, 1, r.Stats.Redrives)
				if test.begun {
					require.Equal(t, "suspended", r.Stats.Reason)
					require.Less(t, r.Stats.Failed, first.Stats.Failed)
					require.Positive(t, r.Stats.Pending)
				} else {
					require.Equal(t, first.Stats.Failed, r.Stats.Failed)
				}

				before := len(keys(t, bucket))
				require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
				require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
				if !test.begun {
					require.Len(t, keys(t, bucket), before+2, "a commit and a manifest, which names the groups from before")
				}
				ended := requireEachOnce(t, bucket)
				require.Equal(t, results.Canceled, ended.Status)
				require.Equal(t, 1, ended.Redrive)
				require.Equal(t, "end", ended.Stats.Reason)
				require.GreaterOrEqual(t, ended.Stats.Succeeded, first.Stats.Succeeded)

				d.bucket, d.fails = bucket, nil
				d.opts.Redrive, d.opts.Version = dmap.Redrive{Max: 5, Canceled: true}, "mended"
				stats, err := d.run(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, n, stats.Succeeded)
				require.EqualValues(t, n, stats.Read)
				require.Equal(t, 2, stats.Redrives)
				require.Equal(t, n, len(listed(t, bucket)["SUCCEEDED"]))
				_, err = results.Clean(context.WithoutCancel(t.Context()), bucket, "out", "r")
				require.NoError(t, err)
				requireEachOnce(t, bucket)
			})
		})
	}
}

// An open run with a new Version: its old results stay, and everything else runs with the new one.
func TestAnOpenRunIsEndedAndRedrivenWithANewVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaily(t, 200)
		d.fails, d.opts.Version, d.opts.CommitEvery = nil, "1", 10*time.Millisecond
		_, err := suspendSoon(t, d, 100*time.Millisecond)
		require.ErrorIs(t, err, dmap.ErrOpen)
		d.opts.Version = "2"
		_, err = d.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrSpecChanged)
		require.ErrorContains(t, err, "sink.End")
		require.Equal(t, 78, dmap.ExitCode(err))
		before := requireEachOnce(t, d.bucket)
		require.Positive(t, before.Stats.Succeeded)
		require.NoError(t, sink.End(t.Context(), d.bucket, "out", "r"))
		d.opts.Redrive = dmap.Redrive{Max: 1, Canceled: true}
		stats, err := d.run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 200, stats.Succeeded)
		require.Len(t, d.infos, 200-int(before.Stats.Succeeded))
		requireEachOnce(t, d.bucket)
	})
}

// A process that stalls while it begins a redrive, and comes back, may record the redrive just
// before the next attempt of the same host. That attempt is not fenced: a later one continues.
func TestAnEarlierAttemptMayBeginTheRedrive(t *testing.T) {
	inner := memory(t)
	_, err := dmap.Map(t.Context(), upTo(20), func(context.Context, int) (int, error) { return 0, errors.New("it fails") },
		dmap.Options{RunID: "r", MaxConcurrency: 1}, sink.Bucket[int](inner, "out"))
	require.ErrorIs(t, err, dmap.ErrTolerance)
	spec := sharedSpec()
	spec.Options.Redrive.Max = 1
	begin := func(b *blob.Bucket, attempt int) (*sink.Host[int], error) {
		h, _, err := sink.Bucket[int](b, "out").BeginShared(t.Context(), spec, lease.Starter{ID: "w", Attempt: attempt}, nil)
		return h, err
	}
	faults := dmaptest.NewFaultBucket(t, inner)
	var stalled sync.Once
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if !ended && strings.HasSuffix(c.Key, "redrive-001.json") && (c.Op == dmaptest.OpCreate || c.Op == dmaptest.OpClose) {
			stalled.Do(func() {
				h, err := begin(inner, 1)
				require.NoError(t, err)
				require.NoError(t, h.Close())
			})
		}
	})
	_, err = begin(faults.Bucket, 2)
	require.ErrorContains(t, err, "another one was faster")
	require.NotErrorIs(t, err, dmap.ErrFenced)
	h, err := begin(inner, 3)
	require.NoError(t, err)
	p := h.Progress()
	require.Equal(t, 1, p.Redrive.Number)
	require.EqualValues(t, 1, p.Counts.Redriven, "the tolerance is none: one item has failed")
	require.NoError(t, h.Close())
}
