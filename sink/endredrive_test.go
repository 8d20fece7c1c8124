package sink_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
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
