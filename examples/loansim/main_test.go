package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/sink/results"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start")) // of a cloud driver
}

// runDemo runs the program. It returns the folder of its temporary folders, and its output.
func runDemo(t *testing.T, args ...string) (tmp, printed string, err error) {
	t.Helper()
	tmp = t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var stdout, stderr bytes.Buffer
	err = demo(t.Context(), args, &stdout, &stderr)
	return tmp, stdout.String(), err
}

func TestDemoCountsOutcomesByReason(t *testing.T) {
	for name, args := range map[string][]string{
		"one by one": {"-n", "1500"},
		"in batches": {"-n", "1500", "-batch", "40", "-concurrency", "3"},
	} {
		t.Run(name, func(t *testing.T) {
			tmp, printed, err := runDemo(t, args...)
			require.NoError(t, err)
			want := expected(t, 1500, 2)
			sum := fmt.Sprintf("1500 read = %d succeeded + %d failed + 0 skipped + 0 pending\n", want.survive, want.fail)
			require.Contains(t, printed, sum)
			var lines bytes.Buffer
			want.print(&lines, 2)
			require.Contains(t, printed, lines.String())
			at := regexp.MustCompile(`results: +(\S+)\n`).FindStringSubmatch(printed)
			require.NotNil(t, at, printed)
			require.FileExists(t, at[1])
			left, err := filepath.Glob(filepath.Join(tmp, "*"))
			require.NoError(t, err)
			require.Len(t, left, 1, "the applications are removed, the results are kept")
		})
	}
}

func TestDemoUsesTheBucketsOfItsFlags(t *testing.T) {
	in, out := filepath.Join(t.TempDir(), "in"), t.TempDir()
	_, printed, err := runDemo(t, "-in", in, "-fill", "-n", "50", "-out", out, "-max-items", "20", "-tolerance", "50")
	require.NoError(t, err)
	require.Contains(t, printed, "items:      20 read")
	manifests, err := filepath.Glob(filepath.Join(out, "runs", "*", "manifest-000.json"))
	require.NoError(t, err)
	require.Len(t, manifests, 1)

	_, printed, err = runDemo(t, "-in", in, "-out", out, "-tolerance", "50", "-inflation", "0")
	require.NoError(t, err, "the applications of the first run still exist")
	require.Contains(t, printed, "items:      50 read")
}

func TestKeepKeepsTheApplications(t *testing.T) {
	tmp, _, err := runDemo(t, "-n", "10", "-keep", "-tolerance", "100")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(only(t, filepath.Join(tmp, "loansim-applications-*")), "applications", "0000", "0000009.json"))
}

func TestExceededToleranceStillPrintsTheResults(t *testing.T) {
	_, printed, err := runDemo(t, "-n", "1500", "-tolerance", "1")
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.Contains(t, printed, "insolvent")
	require.Contains(t, printed, "manifest-000.json")
}

func TestCanceledRunHasAManifestWithPendingItems(t *testing.T) {
	in, out := memblob.OpenBucket(nil), memblob.OpenBucket(nil)
	defer in.Close()
	defer out.Close()
	for i := range int64(3000) {
		data, err := loan.Encode(i)
		require.NoError(t, err)
		require.NoError(t, in.WriteAll(t.Context(), loan.Key(i), data, nil))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	run, err := start(ctx, config{concurrency: 1, tolerance: 100}, &place{in: in, out: out})
	require.NoError(t, err)
	for run.Stats().Succeeded == 0 {
		runtime.Gosched()
	}
	run.Pause() // it must not end before it is canceled
	interrupted := errors.New("interrupted")
	cancel(interrupted)
	stats, err := run.Wait()
	require.ErrorIs(t, err, interrupted)

	r, err := tally(t.Context(), out, stats.RunID)
	require.NoError(t, err)
	require.Equal(t, ratio{survive: stats.Succeeded, fail: stats.Failed, pending: stats.Pending, reasons: r.reasons}, r)
	manifest, err := results.Load(t.Context(), out, runs, stats.RunID)
	require.NoError(t, err)
	require.Equal(t, results.Canceled, manifest.Status)
	require.True(t, stats.Pending > 0 || len(manifest.Unread.Splits) > 0, "%+v", stats)
}

func TestInvalidFlagsAreErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"flag":        {[]string{"-colour"}, "-colour"},
		"argument":    {[]string{"data"}, `unknown argument "data"`},
		"count":       {[]string{"-n", "-1"}, "-n -1 is negative"},
		"batch":       {[]string{"-batch", "-1"}, "-batch -1 is negative"},
		"fill":        {[]string{"-fill"}, "-fill needs -in"},
		"bucket":      {[]string{"-in", "ftp://x"}, `open ftp://x: `},
		"folder":      {[]string{"-in", missing}, "missing"},
		"concurrency": {[]string{"-concurrency", "10001"}, "-concurrency 10001: want 1 to 10000"},
		"none":        {[]string{"-concurrency", "0"}, "-concurrency 0: want 1 to 10000"},
		"tolerance":   {[]string{"-tolerance", "101"}, "-tolerance 101: want 0 to 100"},
		"nan":         {[]string{"-tolerance", "NaN"}, "-tolerance NaN: want 0 to 100"},
		"max-items":   {[]string{"-max-items", "-5"}, "-max-items -5 is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			tmp, printed, err := runDemo(t, append([]string{"-n", "3"}, c.args...)...)
			require.ErrorContains(t, err, c.want)
			code := 2
			if name == "bucket" || name == "folder" { // the arguments are right
				code = 1
			}
			require.Equal(t, code, exitCode(err))
			require.Empty(t, printed)
			left, err := os.ReadDir(tmp)
			require.NoError(t, err)
			require.Empty(t, left, "temporary folders must be removed")
		})
	}
	_, _, err := runDemo(t, "-h")
	require.ErrorIs(t, err, flag.ErrHelp)
	require.Zero(t, exitCode(err))
}

func TestEmptyInputSucceeds(t *testing.T) {
	_, printed, err := runDemo(t, "-n", "0")
	require.NoError(t, err)
	require.Contains(t, printed, "survive          0    0.00 %")
}

// expected computes the ratio of the first n applications without dmap.
func expected(t *testing.T, n int64, inflation float64) ratio {
	t.Helper()
	r := ratio{reasons: map[string]int64{}}
	for i := range n {
		data, err := loan.Encode(i)
		require.NoError(t, err)
		var app loan.Application
		reason := "read"
		if json.Unmarshal(data, &app) == nil {
			_, err := loan.Simulate(app, inflation)
			reason = dmap.Class(err)
		}
		if reason == "" {
			r.survive++
			continue
		}
		r.fail++
		r.reasons[reason]++
	}
	require.Len(t, r.reasons, 3, "insolvent, overindebted, read")
	return r
}

func TestRatioIsPrintedByReason(t *testing.T) {
	r := ratio{survive: 90, fail: 10, pending: 3, reasons: map[string]int64{"insolvent": 9, "read": 1}}
	var lines bytes.Buffer
	r.print(&lines, 2)
	require.Equal(t, `inflation:  +2.0 points; outcomes from the manifest:
  survive         90   90.00 %
  fail            10   10.00 %
    insolvent         9    9.00 %
    read              1    1.00 %
  pending          3
`, lines.String())
}

// only returns the single path that matches pattern.
func only(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}
