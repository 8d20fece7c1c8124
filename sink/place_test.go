package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// lastLine is the last line of a log, decoded.
func lastLine(t *testing.T, log *bytes.Buffer) (line map[string]any) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &line))
	return line
}

// The last line of the log says where to look, and the error what to call.
func TestTheEndOfARunNamesItsPlaceAndTheNextStep(t *testing.T) {
	d := newDaily(t, 100)
	var log bytes.Buffer
	d.opts.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(dmap.ErrSuspended)
	_, err := dmap.Map(ctx, source.Slice([]int{1}), func(context.Context, int) (int, error) { return 0, nil },
		dmap.Options{RunID: "none", Logger: d.opts.Logger}, sink.Bucket[int](d.bucket, "out"))
	require.ErrorIs(t, err, dmap.ErrOpen)

	fails := d.fails
	d.fails = func(n int) bool {
		if n == 50 {
			d.stop.Suspend()
		}
		return false
	}
	d.opts.MaxConcurrency = 1
	_, err = d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrSuspended)
	require.ErrorContains(t, err, "run r is open, call again with the same RunID to resume it: ")
	require.Equal(t, "out/r/commits/", lastLine(t, &log)["results"])

	d.fails = func(n int) bool { return n > 50 && fails(n) }
	_, err = d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorContains(t, err, "run r has ended, a call with Options.Redrive processes its failed items again: ")
	require.Equal(t, "out/r/manifest-000.json", lastLine(t, &log)["results"])

	d.opts.Redrive = dmap.Redrive{}
	_, err = d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrEnded)
	require.ErrorContains(t, err, "Options.Redrive continues it")
	require.ErrorContains(t, err, "out/r/manifest-000.json")

	d.opts.Redrive.Max, d.fails = 1, nil
	_, err = d.run(t.Context())
	require.NoError(t, err)
	require.Equal(t, "out/r/manifest-001.json", lastLine(t, &log)["results"])
}

func TestTheEndOfACanceledOrExpressRunNamesItsPlaceAndTheNextStep(t *testing.T) {
	d := newDaily(t, 100)
	var log bytes.Buffer
	d.opts.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	d.fails = func(int) bool { d.cancel(); return false }
	_, err := d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrCanceled)
	require.ErrorContains(t, err, "run r has ended, a call with Options.Redrive and its Canceled continues it: ")
	require.Equal(t, "out/r/manifest-000.json", lastLine(t, &log)["results"])
	_, err = d.run(t.Context())
	require.ErrorContains(t, err, "Options.Redrive with Canceled continues it")

	express := sink.Bucket[int](d.bucket, "express", sink.BucketOptions{Express: true})
	require.Empty(t, express.Place())
	_, err = dmap.Map(t.Context(), source.Slice([]int{1}), func(context.Context, int) (int, error) { panic("no") },
		dmap.Options{RunID: "e", Logger: d.opts.Logger}, express)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.NotContains(t, err.Error(), "Redrive", "it has no journal")
	require.Equal(t, "express/e/manifest-000.json", lastLine(t, &log)["results"])
}
