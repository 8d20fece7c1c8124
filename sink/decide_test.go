package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/source"
)

// heldRun is a run that holds n items in many small parts.
func heldRun(t *testing.T, n int) *blob.Bucket {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	_, err := dmap.Map(t.Context(), source.Slice(make([]int, n)), func(context.Context, int) (int, error) { return 0, dmap.Hold("why") },
		dmap.Options{RunID: "r"}, Bucket[int](bucket, "", BucketOptions{PartBytes: 500}))
	require.ErrorIs(t, err, dmap.ErrHeld)
	return bucket
}

// However few decisions are in memory at once, each decided item is released once and each other
// one stays held.
func TestDecisionsAreFoundInAnyNumberOfBlocks(t *testing.T) {
	const n = 60
	for _, most := range []int{1, 3, 7, 29, 1000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			bucket := heldRun(t, n)
			want := map[string]bool{} // decided
			for i := 0; i < n; i += 2 {
				id := fmt.Sprintf("item@%d", i)
				want[id] = true
				content, err := runfolder.EncodeDecision(runfolder.DecisionFile{ID: id, Decision: runfolder.Approve})
				require.NoError(t, err)
				require.NoError(t, publish.Create(t.Context(), bucket, "r/"+runfolder.DecisionName(id, 1), "application/json", content))
			}
			f := Bucket[int](bucket, "", BucketOptions{PartBytes: 500})
			file, err := runfolder.LoadRunFile(t.Context(), bucket, "r/", "r")
			require.NoError(t, err)
			spec := dmap.RunSpec{RunID: "r", Source: file.Source}
			log, p, _, err := f.OpenJournal(t.Context(), spec, func(context.Context, *journal.Progress) error { return nil })
			require.NoError(t, err)
			defer func() { require.NoError(t, log.Close()) }()
			d, err := log.(*runLog[int]).decide(t.Context(), &p, p.Number, most)
			require.NoError(t, err)
			require.Empty(t, d.Ignored)
			require.EqualValues(t, len(want), d.Items)
			for _, part := range d.Release.Parts {
				for line, err := range takenLines(t.Context(), bucket, runfolder.Part(part), []journal.Interval{{To: journal.Cursor{Offset: part.Size}}}) {
					require.NoError(t, err)
					r, err := line.record()
					require.NoError(t, err)
					require.True(t, want[r.ID], r.ID)
					require.True(t, r.Decision.Approved)
					delete(want, r.ID)
				}
			}
			require.Empty(t, want)
			state, err := runfolder.CommittedParts("r/", f.run.Load().journal.log.State.Records())
			require.NoError(t, err)
			change, err := runfolder.DecodeStates([]json.RawMessage{d.State})
			require.NoError(t, err)
			state.Add(change)
			held := map[string]bool{}
			for _, part := range state.Held {
				content, err := runfolder.ReadPart(t.Context(), bucket, part)
				require.NoError(t, err)
				require.NoError(t, eachRecord(part, content, func(_ []byte, r *runfolder.Record) error {
					require.False(t, held[r.ID])
					held[r.ID] = true
					return nil
				}))
			}
			require.Len(t, held, n/2)
		})
	}
}
