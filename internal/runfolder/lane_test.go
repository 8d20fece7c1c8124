package runfolder_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
)

func TestNamesOfLanes(t *testing.T) {
	require.Equal(t, "9999957-42-3/", runfolder.LaneName(42, 3))
	require.Less(t, runfolder.LaneName(43, 9), runfolder.LaneName(42, 1), "the newest first")
	for _, lease := range []int64{0, 42, runfolder.LastLease} {
		for _, attempt := range []int{1, 10, runfolder.LastAttempt} {
			gotLease, gotAttempt, ok := runfolder.LaneOf(runfolder.LaneName(lease, attempt))
			require.True(t, ok)
			require.Equal(t, lease, gotLease)
			require.Equal(t, attempt, gotAttempt)
		}
	}
	for _, name := range []string{
		"", "9999957-42-3", "9999957-42-0/", "9999957-42-1000000/", "9999958-42-3/", "9999957-42-03/", "9999957-42/", "9999999--0-1/", "x-42-1/",
	} {
		_, _, ok := runfolder.LaneOf(name)
		require.False(t, ok, name)
	}
}

// Records of shared runs and of lanes come back as they were, and forged ones are refused.
func TestRecordsOfSharedRunsAreChecked(t *testing.T) {
	era := func(n int64) *int64 { return &n }
	good := []runfolder.CommitRecord{
		{From: 3, Number: 3, Era: era(2), Shared: true, Absorbed: []runfolder.LeaseRange{{From: 0, To: 4}, {From: 6, To: 6}}},
		{From: 3, Number: 3, Era: era(3)},
		{From: 3, Number: 3, Final: true},
		{Lane: &runfolder.Lane{Lease: 7, Attempt: 2, Era: 5, Splits: []runfolder.Split{{ID: "s\xff", To: runfolder.Cursor{Offset: 3}}}}},
	}
	for _, want := range good {
		content, err := runfolder.EncodeCommit("w", want)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(content), `{"format":2,`))
		got, err := runfolder.DecodeCommit(t.Context(), content, want.Number)
		require.NoError(t, err)
		if want.Lane != nil {
			require.Equal(t, want.Lane.Splits[0].ID, got.Lane.Splits[0].ID)
		}
		require.Equal(t, want.Era, got.Era)
		require.Equal(t, want.Absorbed, got.Absorbed)
		for _, change := range []*strings.Replacer{
			strings.NewReplacer(`{"format":2,`, `{"format":1,`), strings.NewReplacer(`"era":2,"shared":true}`, `"era":1,"shared":true}`),
			strings.NewReplacer(`"era":3}`, `"era":3,"shared":true}`),
		} {
			if forged := change.Replace(string(content)); forged != string(content) {
				_, err := runfolder.DecodeCommit(t.Context(), []byte(forged), want.Number)
				require.ErrorContains(t, err, "damaged")
			}
		}
	}
	for want, r := range map[string]runfolder.CommitRecord{
		"leases 5 to 4":              {From: 3, Number: 3, Era: era(0), Absorbed: []runfolder.LeaseRange{{From: 5, To: 4}}},
		"leases 5 to 6 follow":       {From: 3, Number: 3, Era: era(0), Absorbed: []runfolder.LeaseRange{{From: 0, To: 4}, {From: 5, To: 6}}},
		"leases 0 to 10000000":       {From: 3, Number: 3, Era: era(0), Absorbed: []runfolder.LeaseRange{{From: 0, To: runfolder.LastLease + 1}}},
		"era 4":                      {From: 3, Number: 3, Era: era(4)},
		"not in the first record":    {From: 3, Number: 3, Lane: &runfolder.Lane{Attempt: 1}},
		"attempt 0":                  {Lane: &runfolder.Lane{}},
		"of a run and of a lane":     {From: 3, Number: 3, Era: era(1), Final: true},
		"the record has no era":      {From: 3, Number: 3, Final: true, Absorbed: []runfolder.LeaseRange{{}}},
		"split 0: the split has no ": {Lane: &runfolder.Lane{Attempt: 1, Splits: []runfolder.Split{{}}}},
	} {
		content, err := runfolder.EncodeForged("w", r)
		require.NoError(t, err)
		_, err = runfolder.DecodeCommit(t.Context(), content, r.Number)
		require.ErrorContains(t, err, want)
	}
}
