package results_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink/results"
)

func TestTheGroupsOfAnEndedRunTakeFourRequests(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	generation{id: "first", by: 10, src: countTo(100)}.run(t, bucket.Bucket)
	ops := []dmaptest.Op{dmaptest.OpOpen, dmaptest.OpList, dmaptest.OpAttributes}
	requests := func() (n int) {
		for _, op := range ops {
			n += bucket.Calls(op)
		}
		return n
	}
	before := requests()
	r, err := results.Load(t.Context(), bucket.Bucket, "runs/", "first")
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), bucket.Bucket, r)
	require.NoError(t, err)
	require.LessOrEqual(t, requests()-before, 4)
	require.Len(t, groups, 1)
	require.EqualValues(t, 10, groups[0].Count)
	require.Equal(t, "<n> fails in first", groups[0].Message)
	require.Len(t, groups[0].Gather(5), 1)
}

// An index that was changed, or is of another size, is refused: it names what to restore.
func TestDamagedGroupsAreRefused(t *testing.T) {
	bucket := memory(t)
	generation{id: "first", by: 10, src: countTo(100)}.run(t, bucket)
	r, err := results.Load(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	for object, err := bucket.List(nil), error(nil); err == nil; {
		var key string
		if o, next := object.Next(t.Context()); next == nil {
			key = o.Key
		} else {
			break
		}
		if len(key) > 18 && key[:18] == "runs/first/GROUPS_" {
			require.NoError(t, bucket.WriteAll(t.Context(), key, []byte("{}\n"), nil))
		}
	}
	_, err = results.Groups(t.Context(), bucket, r)
	require.ErrorContains(t, err, "restore it")
	require.ErrorContains(t, err, "GROUPS_")

	// a redrive needs no index, so its preview counts the records
	p, err := results.PreviewRedrive(t.Context(), bucket, r, dmap.Redrive{Limit: 7})
	require.NoError(t, err)
	require.EqualValues(t, 7, p.Failed)
	p, err = results.PreviewRedrive(t.Context(), bucket, r, dmap.Redrive{})
	require.NoError(t, err)
	require.EqualValues(t, 10, p.Failed)
}

func TestTheFailuresOfGroupsWithoutAPlaceAreInOther(t *testing.T) {
	bucket := memory(t)
	var list []int
	for i := range 1000 {
		list = append(list, i)
	}
	words(t, bucket, list)
	r, err := results.Load(t.Context(), bucket, "runs/", "words")
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), bucket, r)
	require.NoError(t, err)
	require.Len(t, groups, 201)
	require.Equal(t, results.OtherGroup, groups[200].ID)
	of := map[string]int64{}
	for _, f := range collect(t, results.Failures(t.Context(), bucket, r)) {
		of[f.Group()]++
	}
	found := int64(0)
	for _, g := range groups[:200] {
		require.GreaterOrEqual(t, of[g.ID], g.Count)
		require.LessOrEqual(t, of[g.ID], g.Count+g.Over)
		found += of[g.ID]
	}
	require.Len(t, collect(t, results.FailuresOf(t.Context(), bucket, r, groups[0].ID)), int(of[groups[0].ID]))
	other := collect(t, results.FailuresOf(t.Context(), bucket, r, results.OtherGroup))
	require.EqualValues(t, 1000, found+int64(len(other)), "each failure is in one group")
}

func TestRunsAreListedPageByPage(t *testing.T) {
	bucket := memory(t)
	for i := range 7 {
		generation{id: fmt.Sprintf("2026-11-%02d", i+1), by: 10, src: countTo(20 + i)}.run(t, bucket)
	}
	for key, content := range map[string]string{
		"runs/notes/readme.txt": "no run", "runs/file.txt": "no folder", "runs/2026-11-99/run.json": "{damaged", "runs/..x/y": "no run ID",
		"runs/.preflight/x": "x", "elsewhere/r/run.json": "{}",
	} {
		require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(content), nil))
	}
	var ids []string
	options := results.ListOptions{Limit: 3}
	for {
		page, next, err := results.List(t.Context(), bucket, "runs/", options)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 3)
		for _, s := range page {
			ids = append(ids, s.RunID)
			if s.RunID == "2026-11-99" {
				require.ErrorContains(t, s.Err, "run.json")
				continue
			}
			require.NoError(t, s.Err)
			require.Equal(t, results.Succeeded, s.Status)
			require.EqualValues(t, 2, s.Stats.Failed)
			require.False(t, s.Started.IsZero())
			require.False(t, s.Stopped.Before(s.Started))
		}
		if next == "" {
			break
		}
		options.Before = next
	}
	require.Equal(t, []string{"2026-11-99", "2026-11-07", "2026-11-06", "2026-11-05", "2026-11-04", "2026-11-03", "2026-11-02", "2026-11-01"}, ids)

	page, next, err := results.List(t.Context(), bucket, "nothing/here", results.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, page)
	require.Empty(t, next)
	_, _, err = results.List(t.Context(), bucket, "runs/", results.ListOptions{Limit: 1001})
	require.ErrorContains(t, err, "Limit")
}

// A run with redrives is one entry.
func TestARedrivenRunIsOneEntryOfTheList(t *testing.T) {
	bucket := memory(t)
	words(t, bucket, []int{1, 2, 3})
	words(t, bucket, []int{1, 2, 3}, dmap.Redrive{Max: 1, Tolerated: true})
	page, next, err := results.List(t.Context(), bucket, "runs/", results.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, page, 1)
	require.Equal(t, 1, page[0].Redrive)
}

func TestAPreviewCountsWhatARedriveTakes(t *testing.T) {
	bucket := memory(t)
	generation{id: "first", by: 10, src: countTo(100)}.run(t, bucket)
	r, err := results.Load(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), bucket, r)
	require.NoError(t, err)
	for _, c := range []struct {
		o    dmap.Redrive
		want int64
	}{
		{dmap.Redrive{}, 10},
		{dmap.Redrive{Groups: []string{groups[0].ID}}, 10},
		{dmap.Redrive{Groups: []string{groups[0].ID}, Limit: 3}, 3},
		{dmap.Redrive{Groups: []string{"0123456789ab"}}, 0},
		{dmap.Redrive{Classes: []string{"panic"}}, 0},
		{dmap.Redrive{Classes: []string{"error"}, Limit: 4}, 4},
		{dmap.Redrive{Glob: "nothing"}, 0},
		{dmap.Redrive{Match: func(e *dmap.ItemError) bool { return e.Offset < 50 && dmap.Class(e) == "error" }, Groups: []string{groups[0].ID}}, 5},
	} {
		p, err := results.PreviewRedrive(t.Context(), bucket, r, c.o)
		require.NoError(t, err)
		require.Equal(t, results.Preview{Failed: c.want}, p, "%+v", c.o)
	}
	_, err = results.PreviewRedrive(t.Context(), bucket, r, dmap.Redrive{Glob: "["})
	require.ErrorContains(t, err, "preview")
	_, err = results.PreviewRedrive(t.Context(), bucket, r, dmap.Redrive{Match: func(*dmap.ItemError) bool { panic("no match") }})
	require.ErrorContains(t, err, "Redrive.Match: panic: no match")

	// beyond 200 groups the records are counted
	var list []int
	for i := range 1000 {
		list = append(list, i)
	}
	words(t, bucket, list)
	r, err = results.Load(t.Context(), bucket, "runs/", "words")
	require.NoError(t, err)
	last := results.Failure{}
	for f, err := range results.Failures(t.Context(), bucket, r) {
		require.NoError(t, err)
		last = f
	}
	p, err := results.PreviewRedrive(t.Context(), bucket, r, dmap.Redrive{Groups: []string{last.Group()}})
	require.NoError(t, err)
	require.EqualValues(t, 1, p.Failed)
}
