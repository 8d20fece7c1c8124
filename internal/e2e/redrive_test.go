package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// newestNumbers reads the newest manifest of a run and the parts that it lists, and nothing else.
// It returns how often each number below n is among the records of a kind, and fails if an ID is
// there twice.
func newestNumbers(t *testing.T, b *blob.Bucket, runID string, n int) (m manifest, times map[string][]int) {
	t.Helper()
	for redrive := 0; ; redrive++ {
		content, err := b.ReadAll(t.Context(), fmt.Sprintf("runs/%s/manifest-%03d.json", runID, redrive))
		if err != nil {
			require.Positive(t, redrive, "no manifest")
			break
		}
		m = manifest{}
		require.NoError(t, json.Unmarshal(content, &m))
	}
	times = map[string][]int{}
	ids := map[string]bool{}
	for kind, parts := range m.ResultFiles {
		times[kind] = make([]int, n)
		for _, p := range parts {
			content, err := b.ReadAll(t.Context(), p.Key)
			require.NoError(t, err)
			sum := sha256.Sum256(content)
			require.Equal(t, p.SHA256, hex.EncodeToString(sum[:]), p.Key)
			for line := range strings.Lines(string(content)) {
				var r struct {
					ID     string
					Output squared
				}
				require.NoError(t, json.Unmarshal([]byte(line), &r))
				require.False(t, ids[r.ID], "%s is listed twice", r.ID)
				ids[r.ID] = true
				times[kind][r.Output.N]++
			}
		}
	}
	s := m.Stats
	require.EqualValues(t, len(ids), s.Succeeded+s.Failed+s.Pending)
	require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Pending)
	return m, times
}

// wide writes the numbers below n as rows and lines of about size bytes.
func wide(t *testing.T, b *blob.Bucket, n, size int) {
	t.Helper()
	text := strings.Repeat("x", size)
	var csv, lines strings.Builder
	csv.WriteString("N,Comment\n")
	for i := range n {
		fmt.Fprintf(&csv, "%d,\"%s\n\"\n", i, text)
		fmt.Fprintf(&lines, "{\"n\":%d,\"comment\":%q}\n", i, text)
	}
	put(t, b, map[string]string{"numbers.csv": csv.String(), "numbers.jsonl": lines.String()})
}

// A run over one object that is read in many pieces is canceled, and so are its redrives. Each
// continues what the one before it left failed, pending and unread.
func TestChainsOfRedrivesOverLargeObjectsHaveEachRowOnce(t *testing.T) {
	n := repetitions(8_000, 8_000, 60_000)
	for _, kind := range []string{"csv", "jsonlines"}[:testsize.Sizes{Race: 1, Usual: 2}.Now()] {
		for _, concurrency := range []int{20, 100}[:repetitions(1, 1, 2)] {
			t.Run(fmt.Sprintf("%s with %d calls at once", kind, concurrency), func(t *testing.T) {
				t.Parallel()
				b := closeAtEnd(t, memblob.OpenBucket(nil))
				wide(t, b, n, 40<<20/n)
				for end := range 4 {
					var run *dmap.Run
					var calls atomic.Int64
					started := make(chan struct{})
					stop := int64(n) / 5
					opts := dmap.Options{
						RunID: "r", MaxConcurrency: concurrency, Tolerance: dmap.Tolerance{Percentage: 90},
						Redrive: dmap.Redrive{Max: 9, Canceled: true}, CommitEvery: 20 * time.Millisecond,
					}
					run, err := dmap.Start(t.Context(), crashSource(b, kind, n), func(ctx context.Context, in number) (squared, error) {
						<-started
						if calls.Add(1) == stop && end < 3 {
							run.Cancel(nil)
						}
						if in.N%7 == 3 && end < 2 {
							return squared{}, errUnlucky
						}
						return squared{in.N, in.N * in.N}, ctx.Err()
					}, opts, sink.Bucket[squared](b, "runs", sink.BucketOptions{PartBytes: 64 << 10}))
					close(started)
					require.NoError(t, err)
					stats, err := run.Wait()
					if end < 3 {
						require.ErrorIs(t, err, dmap.ErrCanceled)
						newestNumbers(t, b, "r", n)
						continue
					}
					require.NoError(t, err)
					require.EqualValues(t, n, stats.Read)
					require.EqualValues(t, n, stats.Succeeded)
				}
				m, times := newestNumbers(t, b, "r", n)
				require.Equal(t, "SUCCEEDED", m.Status)
				for number, k := range times["SUCCEEDED"] {
					require.Equal(t, 1, k, "number %d", number)
				}
			})
		}
	}
}

// The memory of a redrive does not grow with the number of failed items.
func TestARedriveOfManyFailuresNeedsLittleMemory(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("the race detector multiplies memory: make test runs it without")
	}
	n := repetitions(60_000, 60_000, 1_000_000)
	b := closeAtEnd(t, openFile(t))
	numbers := func(yield func(number) bool) {
		for i := range n {
			if !yield(number{i}) {
				return
			}
		}
	}
	run := func(fails bool) (peak uint64) {
		var stats dmap.Stats
		var err error
		peak = peakOf(func() {
			stats, err = dmap.Map(t.Context(), source.Seq(numbers), func(_ context.Context, in number) (squared, error) {
				if fails {
					return squared{}, errUnlucky
				}
				return squared{in.N, in.N}, nil
			}, dmap.Options{
				RunID: "r", MaxConcurrency: 8, Tolerance: dmap.Tolerance{Percentage: 100},
				Redrive: dmap.Redrive{Max: 1, Tolerated: true},
			}, sink.Bucket[squared](b, "runs", sink.BucketOptions{Records: sink.FailuresOnly}))
		})
		require.NoError(t, err)
		require.EqualValues(t, n, stats.Read)
		if !fails {
			require.EqualValues(t, n, stats.Succeeded)
		}
		return peak
	}
	first := run(true)
	again := run(false)
	t.Logf("%d failed items: peak of the heap %d MiB in the first run, %d MiB in the redrive", n, first>>20, again>>20)
	require.Less(t, again, first+80<<20)
	require.Less(t, again, uint64(160<<20))
}

func openFile(t *testing.T) *blob.Bucket {
	t.Helper()
	b, err := openPlace(t.Context(), t.TempDir())
	require.NoError(t, err)
	return b
}

// exitFailed is the exit code of a child whose run has ended without success.
const exitFailed = 6

// TestCrashOfRedrives kills processes of runs that fail and are redriven, up to three times each.
func TestCrashOfRedrives(t *testing.T) {
	if text := os.Getenv(crashEnv); text != "" {
		runRedriveJob(t, text)
		return
	}
	t.Parallel()
	n := repetitions(2000, 2000, 8000)
	seed := setting(t, "DMAP_CRASH_SEED", rand.Uint64())
	t.Logf("DMAP_CRASH_SEED=%d", seed)
	for i, p := range crashPlaces(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			writeCrashInput(t, p.bucket, n)
			dice := rand.New(rand.NewPCG(seed, uint64(i)))
			kills, redrives := 0, 0
			for run := range (testsize.Sizes{Short: 2, Race: 2, Usual: 3, Long: 60}).Now() {
				kind := crashKinds()[(run+dice.IntN(6))%len(crashKinds())]
				job := crashJob{
					Place: p.url, Kind: kind, RunID: fmt.Sprintf("redrive-%d", run), N: crashItems(kind, n), Batch: []int{0, 0, 9}[run%3],
					Concurrency: 16, Pace: time.Millisecond, CommitEvery: time.Duration(5+dice.IntN(50)) * time.Millisecond,
					Log: filepath.Join(t.TempDir(), "log"),
				}
				killed := redriveUntilSuccess(t, dice, &job)
				m, times := newestNumbers(t, p.bucket, job.RunID, job.N)
				require.Equal(t, "SUCCEEDED", m.Status)
				for number, k := range times["SUCCEEDED"] {
					want := 1
					if skips(number) {
						want = 0
					}
					require.Equal(t, want, k, "%+v: number %d", job, number)
				}
				kills += killed
				redrives += job.Process - killed
			}
			t.Logf("%s: %d kills, %d other processes, nothing lost or doubled", p.name, kills, redrives)
		})
	}
}

// redriveUntilSuccess runs processes of job, and kills some of them, until its run has succeeded.
func redriveUntilSuccess(t *testing.T, dice *rand.Rand, job *crashJob) (kills int) {
	t.Helper()
	for ; ; job.Process++ {
		require.Less(t, job.Process, 40)
		child := startChild(t, "TestCrashOfRedrives", *job)
		if job.Process < 8 && dice.IntN(4) > 0 {
			at := 1 + dice.IntN(30)
			child.onStep = func(step int) {
				if step == at {
					child.kill()
				}
			}
		}
		code, killed, output := child.wait()
		switch {
		case killed:
			kills++
		case code == exitFenced, code == exitFailed:
		default:
			require.Zero(t, code, "%+v: %s", job, output)
			return kills
		}
	}
}

// runRedriveJob is the main function of the child process. An unlucky number fails until its
// redrive comes.
func runRedriveJob(t *testing.T, text string) {
	var job crashJob
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	b, err := openPlace(t.Context(), job.Place)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	results := crashSink{
		sink.Bucket[squared](b, "runs", sink.BucketOptions{PartBytes: 16 << 10}),
		func(format string, args ...any) { fmt.Printf("step %s\n", fmt.Sprintf(format, args...)) },
	}
	fn := func(ctx context.Context, in number) (squared, error) {
		info, _ := dmap.InfoFrom(ctx)
		select {
		case <-time.After(job.Pace):
		case <-ctx.Done():
			return squared{}, context.Cause(ctx)
		}
		switch {
		case skips(in.N):
			return squared{}, dmap.ErrSkip
		case in.N%10 == 7 && in.N%3 >= info.Redrive:
			return squared{}, errUnlucky
		default:
			return squared{in.N, in.N * in.N}, nil
		}
	}
	_, err = dmap.Map(t.Context(), crashSource(b, job.Kind, job.N), fn, dmap.Options{
		PoisonAfter: -1, RunID: job.RunID, MaxConcurrency: job.Concurrency, CommitEvery: job.CommitEvery,
		Tolerance: dmap.Tolerance{Percentage: 1, MinItems: 500}, Redrive: dmap.Redrive{Max: 30},
	}, results)
	switch {
	case errors.Is(err, dmap.ErrFenced):
		os.Exit(exitFenced)
	case errors.Is(err, dmap.ErrTolerance):
		os.Exit(exitFailed)
	}
	require.NoError(t, err)
}
