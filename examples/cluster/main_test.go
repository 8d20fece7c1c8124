package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// TestMain is also the program of the workers that a test starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-work" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestWithoutATemporalCommandTheProgramSaysHowToGetOne(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	t.Setenv("DMAP_TEMPORAL", "")
	t.Setenv("TMPDIR", t.TempDir())
	err := demo(t.Context(), []string{"-n", "1"}, nil, io.Discard, io.Discard)
	require.ErrorContains(t, err, "make temporal-cli")
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	require.NoError(t, err)
	require.Empty(t, left, "the temporary folder is removed")
	_, err = findTemporal("nowhere")
	require.ErrorContains(t, err, "no Temporal command at nowhere")
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-n", "0"}, {"-workers", "0"}, {"-calls", "0"}, {"-takes", "-1s"}, {"more"}, {"-unknown"}} {
		require.Error(t, demo(t.Context(), args, nil, io.Discard, io.Discard), "%v", args)
	}
}

// The job is that of every worker. Here dmap.Map runs it.
func TestTheJobRunsOnOneMachine(t *testing.T) {
	folder, remove, err := prepare(t.Context(), config{n: 200, dir: t.TempDir()}, io.Discard)
	require.NoError(t, err)
	defer remove()
	applications, err := openFolder(t.Context(), folder)
	require.NoError(t, err)
	defer applications.Close()
	out, err := openFolder(t.Context(), filepath.Join(folder, "results"))
	require.NoError(t, err)
	defer out.Close()
	stats, err := dmap.Map(t.Context(), source.Objects(applications, "applications/"), assess,
		dmap.Options{RunID: "loans", Tolerance: dmap.Tolerance{Percentage: 10}}, sink.Bucket[loan.Verdict](out, runs))
	require.NoError(t, err)
	require.EqualValues(t, 200, stats.Read)
	require.Greater(t, stats.Succeeded, int64(180))
	require.Positive(t, stats.Failed, "some loans fail")
}

// output is what a program has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// find returns the part of a pattern in parentheses, once it is there.
func (o *output) find(t *testing.T, pattern string) (found string) {
	t.Helper()
	require.Eventually(t, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		m := regexp.MustCompile(pattern).FindStringSubmatch(o.text.String())
		if m != nil {
			found = m[1]
		}
		return m != nil
	}, time.Minute, 50*time.Millisecond, pattern)
	return found
}

// shownAt is the run as the page shows it.
func shownAt(t *testing.T, page string) (s watch.Snapshot) {
	t.Helper()
	answer, err := http.Get(page + "api/runs/loans") //nolint:noctx // of this machine
	if err != nil {
		return s
	}
	defer answer.Body.Close()
	var d struct{ Run watch.Snapshot }
	_ = json.NewDecoder(answer.Body).Decode(&d) // a run that has not started is not there
	return d.Run
}

func TestAKilledWorkerOnAServerIsShownAndReplaced(t *testing.T) {
	if os.Getenv("DMAP_TEMPORAL") == "" {
		t.Skip("needs the Temporal command: make temporal")
	}
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	defer http.DefaultClient.CloseIdleConnections()
	var out, log output
	ended := make(chan error, 1)
	go func() {
		ended <- demo(ctx, []string{"-n", "12000", "-dir", dir, "-http", "localhost:0", "-calls", "90"}, nil, &out, &log)
	}()
	page := log.find(t, `the page is (http://\S+)`)
	pid, err := strconv.Atoi(log.find(t, `worker 2 of 3: kill -9 (\d+)`))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return shownAt(t, page).Stats.Succeeded > 1_000 }, time.Minute, 50*time.Millisecond)
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	killed := time.Now()
	require.NoError(t, process.Kill())
	require.Eventually(t, func() bool {
		workers := shownAt(t, page).Workers
		return len(workers) > 0 && workers[0].Silent && regexp.MustCompile(`^`+strconv.Itoa(pid)+`@`).MatchString(workers[0].Name)
	}, time.Minute, 50*time.Millisecond)
	t.Logf("the page shows a killed worker after %v", time.Since(killed).Round(100*time.Millisecond))
	require.Eventually(t, func() bool { return shownAt(t, page).Verdict.Status == watch.StatusSucceeded }, 3*time.Minute, 200*time.Millisecond)
	lost := false
	for _, m := range shownAt(t, page).Marks {
		lost = lost || m.Kind == watch.MarkLost
	}
	require.True(t, lost, "its leases continue elsewhere")
	out.find(t, `items: +(12000) read`)
	stop()
	require.NoError(t, <-ended)
	bucket, err := openFolder(t.Context(), filepath.Join(dir, "results"))
	require.NoError(t, err)
	defer bucket.Close()
	run, err := results.Load(t.Context(), bucket, runs, "loans")
	require.NoError(t, err)
	require.Equal(t, results.Succeeded, run.Status)
	require.EqualValues(t, 12_000, run.Stats.Read)
}
