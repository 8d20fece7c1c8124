package dmapweb

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A reader tries ten failures of a group with new code, then all of them. The host starts the
// redrive with its own function, and the page follows it.
func TestAReaderRedrivesAGroupByTheFunctionOfTheHost(t *testing.T) {
	bucket := memory(t)
	items := make([]string, 200)
	for i := range items {
		items[i] = fmt.Sprintf("loan %d", i)
	}
	fixed := false
	loan := func(ctx context.Context, text string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		switch {
		case info.Index%4 == 0 && !fixed:
			return "", fmt.Errorf("no rate for year %d", 1900+info.Index)
		case info.Index%50 == 1:
			return "", fmt.Errorf("insolvent: %d", info.Index)
		}
		return text, nil
	}
	var p *page
	start := func(ctx context.Context, r dmap.Redrive) (*dmap.Run, error) {
		return dmap.Start(ctx, source.Slice(items), loan, dmap.Options{
			RunID: "monday", Redrive: r, Observer: p.Observer(), Tolerance: dmap.Tolerance{Count: 100},
		}, sink.Bucket[string](bucket, "runs/"))
	}
	var latest *dmap.Run
	p = open(t, Options{
		Bucket: bucket, Prefix: "runs/", Authorize: func(*http.Request) error { return nil },
		Redrive: func(ctx context.Context, runID string, r dmap.Redrive) error {
			require.Equal(t, "monday", runID)
			var err error
			latest, err = start(context.WithoutCancel(ctx), r)
			return err
		},
	})
	first, err := start(t.Context(), dmap.Redrive{})
	require.NoError(t, err)
	stats, err := first.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 54, stats.Failed)

	fixed = true
	found := read[groups](p, "/api/runs/monday/groups")
	group := found.Groups[0]
	require.EqualValues(t, 50, group.Count)
	would := read[preview](p, "/api/runs/monday/redrive?group="+group.ID)
	require.True(t, would.Possible, would.Why)
	require.EqualValues(t, 50, would.Items)
	w := p.post("/api/runs/monday/redrive", fmt.Sprintf(`{"group":%q,"trial":true}`, group.ID))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	stats, _ = latest.Wait()
	require.EqualValues(t, 44, stats.Failed, "ten of the group")
	d := read[describe](p, "/api/runs/monday?stored=1")
	require.Equal(t, 1, d.RedriveCount)
	require.Equal(t, "redrive 1 begins or resumes", d.Run.Marks[0].Text)
	require.EqualValues(t, 44, d.Run.Failures.Total, "those of the whole run, not of this process")
	require.Equal(t, "runs/monday/manifest-001.json", d.Stored.Manifest)

	would = read[preview](p, "/api/runs/monday/redrive?group="+group.ID)
	require.EqualValues(t, 40, would.Items)
	w = p.post("/api/runs/monday/redrive", fmt.Sprintf(`{"group":%q}`, group.ID))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	stats, err = latest.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 4, stats.Failed)
	require.Equal(t, watch.StatusSucceeded, read[describe](p, "/api/runs/monday").Run.Verdict.Status)
	require.Len(t, read[list](p, "/api/runs").Runs, 1, "a run and its redrives are one line")
	require.Equal(t, http.StatusNotFound, p.get("/api/runs/monday/redrive?group="+group.ID).Code, "none is left")
	w = p.post("/api/runs/monday/redrive", `{"group":"other"}`)
	require.Equal(t, http.StatusNotFound, w.Code)
}
