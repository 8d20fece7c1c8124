package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
)

// TestTwoRunnersOfOneRunCountEachResultOnce starts two runners of the same run. The slower one
// gets an error, is fenced off, or finds the run ended. In each case every result counts once. The
// test runs 105 races, 70 with the race detector, and 460 in `make long`.
func TestTwoRunnersOfOneRunCountEachResultOnce(t *testing.T) {
	races := map[string]int{
		"mem":       testsize.Sizes{Short: 20, Race: 40, Usual: 60, Long: 260}.Now(),
		"file":      testsize.Sizes{Short: 10, Race: 20, Usual: 30, Long: 140}.Now(),
		"versitygw": testsize.Sizes{Short: 5, Race: 10, Usual: 15, Long: 60}.Now(),
	}
	for _, s := range stores() {
		n := races[s.name]
		if n == 0 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := s.bucket(t)
			writeCrashInput(t, b, 60)
			fenced := 0
			for race := range n {
				fenced += raceHere(t, b, fmt.Sprintf("race-%d", race))
			}
			t.Logf("%s: %d races of goroutines, %d runners fenced off", s.name, n, fenced)
			require.Positive(t, fenced)
		})
	}
}

// raceHere executes one run in two goroutines, and returns how many of them were fenced off.
func raceHere(t *testing.T, b *blob.Bucket, runID string) (fenced int) {
	t.Helper()
	job := crashJob{
		Kind: "slice", N: 60, RunID: runID, Concurrency: 1 + rand.IntN(8), Pace: time.Duration(rand.IntN(300)) * time.Microsecond,
		CommitEvery: time.Duration(100+rand.IntN(2000)) * time.Microsecond,
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = runHere(t.Context(), b, job) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			require.ErrorIs(t, err, dmap.ErrFenced)
			fenced++
		}
	}
	if fenced == len(errs) { // both were fenced off, each by the other
		require.NoError(t, runHere(t.Context(), b, job))
	}
	v := checkRun(t, b, runID, job.N)
	require.True(t, v.clean(), "%+v: %+v", job, v)
	return fenced
}

// TestTwoProcessesOfOneRunCountEachResultOnce is the same with processes that start their runs at
// the same moment.
func TestTwoProcessesOfOneRunCountEachResultOnce(t *testing.T) {
	t.Parallel()
	for _, p := range crashPlaces(t) {
		t.Run(p.name, func(t *testing.T) {
			writeCrashInput(t, p.bucket, 100)
			codes := map[int]int{}
			races := testsize.Sizes{Short: 3, Race: 4, Usual: 8, Long: 20}.Now()
			for race := range races {
				job := crashJob{
					Place: p.url, Kind: "jsonlines", N: 100, RunID: fmt.Sprintf("race-%d", race), Concurrency: 4, Pace: time.Millisecond,
					CommitEvery: 3 * time.Millisecond, Log: filepath.Join(t.TempDir(), "log"), Race: true,
				}
				ended := raceProcesses(t, job, codes)
				if !ended {
					job.Race, job.Process = false, 2
					code, _, output := startChild(t, "TestCrash", job).wait()
					require.Zero(t, code, output)
				}
				v := checkRun(t, p.bucket, job.RunID, job.N)
				require.True(t, v.clean(), "%+v: %+v", job, v)
			}
			t.Logf("%s: %d races of processes, exit codes %v (%d: fenced off)", p.name, races, codes, exitFenced)
			require.Positive(t, codes[exitFenced])
		})
	}
}

// raceProcesses executes job in two processes. ended reports whether one of them has finished the
// run.
func raceProcesses(t *testing.T, job crashJob, codes map[int]int) (ended bool) {
	t.Helper()
	var runners []*child
	for job.Process = range 2 {
		runners = append(runners, startChild(t, "TestCrash", job))
	}
	for _, c := range runners {
		require.True(t, c.out.Scan())
		require.Equal(t, "ready", c.out.Text())
	}
	var errs []error
	for _, c := range runners {
		_, err := c.stdin.Write([]byte("!"))
		errs = append(errs, err)
	}
	require.NoError(t, errors.Join(errs...))
	for _, c := range runners {
		code, _, output := c.wait()
		require.Contains(t, []int{0, exitFenced}, code, output)
		codes[code]++
		ended = ended || code == 0
	}
	return ended
}
