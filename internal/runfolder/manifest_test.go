package runfolder_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/runfolder"
)

func anyManifest(redrive int) runfolder.Manifest {
	split := runfolder.Split{ID: latin, Object: latin, Version: latin, From: runfolder.Cursor{Key: latin}, To: runfolder.Cursor{Key: "z" + latin}, Before: "sha256:00"}
	return runfolder.Manifest{
		RunID: "r", Redrive: redrive, Status: runfolder.StatusSucceeded, Source: latin, Started: runfolder.Time(time.Now()), Stopped: runfolder.Time(time.Now()),
		ResultFiles: &runfolder.ResultFiles{Failed: []runfolder.Part{{Key: "out/r/FAILED_A-1.jsonl", Size: 1, Records: 1}}, Pending: []runfolder.Part{}, Succeeded: []runfolder.Part{}},
		Unread:      runfolder.Unread{Splits: []runfolder.Split{split}, After: &split, Settled: []runfolder.Interval{anyInterval()}},
		Broken:      []runfolder.Broken{{Key: latin, Offset: 7, Error: "broken"}}, Stats: runfolder.Stats{Broken: 1},
	}
}

func TestManifestsKeepKeysOfAnyBytes(t *testing.T) {
	content, err := runfolder.EncodeManifest(anyManifest(0))
	require.NoError(t, err)
	got, err := runfolder.DecodeManifest(t.Context(), content, "out/r/", "r")
	require.NoError(t, err)
	want := anyManifest(0)
	want.Format, want.Started, want.Stopped = runfolder.Format, got.Started, got.Stopped
	require.Equal(t, &want, got)
}

func TestRunFilesKeepSourcesAndVersionsOfAnyBytes(t *testing.T) {
	want := runfolder.RunFile{RunID: "r", Source: latin, Version: latin, MaxItems: 3}
	content, err := runfolder.EncodeRunFile(want)
	require.NoError(t, err)
	got, err := runfolder.DecodeRunFile(content, "r")
	require.NoError(t, err)
	want.Format = runfolder.Format
	require.Equal(t, &want, got)
	_, err = runfolder.DecodeRunFile(content, "q")
	require.ErrorContains(t, err, `belongs to run "r"`)
}

func TestTimesHaveMicroseconds(t *testing.T) {
	stored := runfolder.Time(time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600)))
	require.Equal(t, "2026-01-02T02:04:05.123456Z", stored.Format(time.RFC3339Nano))
}

func put(t *testing.T, bucket *blob.Bucket, n int) {
	t.Helper()
	content, err := runfolder.EncodeManifest(anyManifest(n))
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), "out/r/"+runfolder.ManifestName(n), content, nil))
}

func TestTheNewestManifestIsFoundWithoutListing(t *testing.T) {
	inner := memblob.OpenBucket(nil)
	defer inner.Close()
	bucket := dmaptest.NewFaultBucket(t, inner)
	bucket.Record(dmaptest.OpList)
	_, err := runfolder.LoadManifest(t.Context(), bucket.Bucket, "out/r/", "r")
	require.ErrorIs(t, err, runfolder.ErrNoManifest)
	for n := range 4 {
		put(t, bucket.Bucket, n)
		m, err := runfolder.LoadManifest(t.Context(), bucket.Bucket, "out/r/", "r")
		require.NoError(t, err)
		require.Equal(t, n, m.Redrive)
		all, err := runfolder.LoadManifests(t.Context(), bucket.Bucket, "out/r/", "r")
		require.NoError(t, err)
		require.Len(t, all, n+1)
	}
	require.Empty(t, bucket.Log())
}
