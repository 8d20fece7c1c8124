package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// livesJob is the configuration of a process that lives for a limited time.
type livesJob struct {
	Folder      string
	RunID       string
	N           int
	Concurrency int
	Call        time.Duration // of a call
	Life        time.Duration // of a process; 0: as long as it takes
	Margin      time.Duration
}

const livesEnv = "DMAP_LIVES_JOB"

// counted yields the numbers below n, in splits.
type counted int

func (n counted) String() string { return fmt.Sprintf("%d numbers", int(n)) }

func (n counted) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return n.read(ctx, dmap.Split{To: dmap.Cursor{Offset: int64(n)}})
}

func (n counted) Plan() dmap.Plan[int] { return dmap.Plan[int]{Splits: n.splits, Read: n.read} }

func (n counted) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		const each = 10_000
		for from := 0; from < int(n); from += each {
			s := dmap.Split{ID: fmt.Sprint(from), From: dmap.Cursor{Offset: int64(from)}, To: dmap.Cursor{Offset: int64(min(from+each, int(n)))}}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (n counted) read(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := s.From.Offset; i < s.To.Offset; i++ {
			if !yield(dmap.Item[int]{Key: "n", Offset: i, Value: int(i), Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}

// runLife is the main function of a process. Its exit code is that of dmap.ExitCode.
func runLife(ctx context.Context, job livesJob) error {
	bucket, err := openPlace(ctx, job.Folder)
	if err != nil {
		return err
	}
	if job.Life > 0 {
		limited, cancel := context.WithTimeout(ctx, job.Life)
		defer cancel()
		suspended, stop := dmap.SuspendBefore(limited, job.Margin)
		defer stop()
		ctx = suspended
	}
	_, err = dmap.Map(ctx, counted(job.N), func(ctx context.Context, i int) (int, error) {
		select {
		case <-time.After(job.Call):
			return i, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}, dmap.Options{RunID: job.RunID, MaxConcurrency: job.Concurrency}, sink.Bucket[int](bucket, "runs/"))
	return errors.Join(err, bucket.Close())
}

// A run hops through processes that live for a limited time, and a third of which are killed at any
// moment. DMAP_LIVES=1000000 runs a million items in lives of 60 s, fewer in shorter ones,
// and prints the cost.
func TestARunHopsThroughProcessesThatAreKilledOrEndInTime(t *testing.T) {
	if text := os.Getenv(livesEnv); text != "" {
		var job livesJob
		require.NoError(t, json.Unmarshal([]byte(text), &job))
		os.Exit(dmap.ExitCode(runLife(t.Context(), job)))
	}
	job := livesJob{RunID: "lives", N: 3_000, Concurrency: 40, Call: 20 * time.Millisecond, Life: 800 * time.Millisecond, Margin: 150 * time.Millisecond}
	if text := os.Getenv("DMAP_LIVES"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		life := time.Duration(float64(time.Minute) * float64(n) / 1e6)
		job = livesJob{RunID: "lives", N: n, Concurrency: 1000, Call: 330 * time.Millisecond, Life: life, Margin: 2 * time.Second}
	}
	job.Folder = t.TempDir()
	whole := job
	whole.RunID, whole.Life, whole.N = "whole", 0, job.N/5
	rate := float64(whole.N) / liveOnce(t, whole, 0).took.Seconds()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var total time.Duration
	lives, kills := 0, 0
	for over := false; !over; lives++ {
		require.Less(t, lives, 100, "the run makes no progress")
		var killAfter time.Duration
		if lives%3 == 0 {
			killAfter = job.Life/4 + time.Duration(random.Int64N(int64(job.Life/2)))
		}
		l := liveOnce(t, job, killAfter)
		total += l.took
		switch {
		case l.killed:
			kills++
		case l.code == 0:
			over = true
		default:
			require.Equal(t, 75, l.code, "call again")
		}
	}
	lost, doubled, calls := checkLives(t, job)
	ideal := time.Duration(float64(job.N) / rate * float64(time.Second))
	t.Logf("%d items in %d lives of %v, of which %d were killed: %d lost, %d doubled, %d calls that count", job.N, lives, job.Life, kills, lost, doubled, calls)
	t.Logf("%v in all; a process without a limit needs %v by its rate of %.0f items/s: overhead %.1f %%",
		total.Round(time.Millisecond), ideal.Round(time.Millisecond), rate, 100*(total.Seconds()/ideal.Seconds()-1))
	require.Zero(t, lost)
	require.Zero(t, doubled)
	require.Positive(t, kills)
	require.Greater(t, lives-kills, 2)
}

// lifeEnd is how a process has ended.
type lifeEnd struct {
	took   time.Duration
	code   int
	killed bool
}

// liveOnce runs a process, and kills it after a time, 0: never.
func liveOnce(t *testing.T, job livesJob, killAfter time.Duration) lifeEnd {
	text, err := json.Marshal(job)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), livesEnv+"="+string(text))
	began := time.Now()
	require.NoError(t, cmd.Start())
	if killAfter > 0 {
		timer := time.AfterFunc(killAfter, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	_ = cmd.Wait()
	code := cmd.ProcessState.ExitCode()
	return lifeEnd{time.Since(began), code, code == -1}
}

// checkLives reads all results of the run.
func checkLives(t *testing.T, job livesJob) (lost, doubled int, calls int64) {
	bucket, err := openPlace(t.Context(), job.Folder)
	require.NoError(t, err)
	defer bucket.Close()
	run, err := results.Load(t.Context(), bucket, "runs/", job.RunID)
	require.NoError(t, err)
	require.Equal(t, results.Succeeded, run.Status)
	times := make([]uint8, job.N)
	for r, err := range results.Successes[int](t.Context(), bucket, run) {
		require.NoError(t, err)
		require.Equal(t, r.Offset, int64(r.Output))
		times[r.Offset]++
	}
	for _, n := range times {
		switch {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
	}
	return lost, doubled, run.Stats.Calls
}
