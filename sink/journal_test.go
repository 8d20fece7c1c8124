package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// requireOpen checks that the run "r" has not ended.
func requireOpen(t *testing.T, bucket *blob.Bucket) {
	t.Helper()
	r, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	require.Equal(t, results.Open, r.Status)
	require.Equal(t, dmap.StateOpen, r.Stats.State)
}

// suspended runs n numbers and suspends the run after some commits.
func suspended(t *testing.T, bucket *blob.Bucket, n int, opts ...sink.BucketOptions) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := time.AfterFunc(220*time.Millisecond, func() { cancel(dmap.ErrSuspended) })
	defer stop.Stop()
	var calls atomic.Int64
	_, err := job(ctx, bucket, n, &calls, opts...)
	require.ErrorIs(t, err, dmap.ErrSuspended)
	requireOpen(t, bucket)
	require.NotEmpty(t, commits(t, bucket))
}

// commits are the keys of the records, newest first.
func commits(t *testing.T, bucket *blob.Bucket) []string {
	t.Helper()
	return slices.DeleteFunc(keys(t, bucket), func(key string) bool {
		// A write in flight into a folder has a lock and a temporary file beside the commit.
		return !strings.HasPrefix(key, "out/r/commits/") || !strings.HasSuffix(key, ".json")
	})
}

func TestASuspendedRunResumesAndKeepsItsStart(t *testing.T) {
	for _, records := range []sink.Records{sink.Full, sink.Compact, sink.Flatten, sink.FailuresOnly} {
		t.Run(string(records), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := memory(t)
				opts := sink.BucketOptions{Records: records}
				began := time.Now()
				for range 5 {
					suspended(t, bucket, 300, opts)
				}
				var calls atomic.Int64
				stats, err := job(t.Context(), bucket, 300, &calls, opts)
				require.NoError(t, err)
				require.EqualValues(t, 300, stats.Read)
				m, err := results.Load(t.Context(), bucket, "out", "r")
				require.NoError(t, err)
				require.WithinDuration(t, began, m.Started, time.Millisecond)
				require.EqualValues(t, len(commits(t, bucket)), m.Commits)
				require.Len(t, collect(t, results.Failures(t.Context(), bucket, m)), 30)
				ok := collect(t, results.Successes[int](t.Context(), bucket, m))
				if records == sink.FailuresOnly {
					require.Empty(t, ok)
				} else {
					require.Len(t, ok, 270)
				}
			})
		})
	}
}

func TestAChangedSpecIsRefusedWithItsFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		suspended(t, bucket, 100)
		var calls atomic.Int64
		_, err := job(t.Context(), bucket, 100, &calls, sink.BucketOptions{Records: sink.Compact, Inputs: sink.InputsAll})
		var changed *dmap.SpecError
		require.ErrorAs(t, err, &changed)
		require.Equal(t, []string{`Records: "COMPACT", begun with ""`, `Inputs: "ALL", begun with ""`}, changed.Fields)
		_, err = dmap.Map(t.Context(), upTo(100), func(context.Context, int) (int, error) { return 0, nil },
			dmap.Options{RunID: "r", MaxItems: 5}, sink.Bucket[int](bucket, "out"))
		require.ErrorAs(t, err, &changed)
		require.Equal(t, []string{"MaxItems: 5, begun with 0"}, changed.Fields)
		require.Zero(t, calls.Load())
		_, err = job(t.Context(), bucket, 100, &calls, sink.BucketOptions{PartBytes: 100, PartAge: time.Second})
		require.NoError(t, err, "the size of parts may change")
		exact(t, bucket, 100)
	})
}

func TestARunThatHasEndedGivesItsStatsWithoutReadingTheSource(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		var calls atomic.Int64
		first, err := job(t.Context(), bucket, 20, &calls)
		require.NoError(t, err)
		before := keys(t, bucket)
		src := dmap.Source[int](unreadable{t})
		stats, err := dmap.Map(t.Context(), src, func(context.Context, int) (int, error) { return 0, nil },
			dmap.Options{RunID: "r"}, sink.Bucket[int](bucket, "out"))
		require.NoError(t, err)
		require.Equal(t, first.Succeeded, stats.Succeeded)
		require.Equal(t, before, keys(t, bucket))
	})
}

type unreadable struct{ t *testing.T }

func (unreadable) String() string { return "sink_test.upTo" }

func (u unreadable) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(func(dmap.Item[int], error) bool) { u.t.Error("the source was read") }
}

func TestAFailedRunReturnsTheErrorOfItsManifest(t *testing.T) {
	bucket := memory(t)
	run := func() error {
		_, err := dmap.Map(t.Context(), upTo(20), func(context.Context, int) (int, error) { return 0, errBad },
			dmap.Options{RunID: "r"}, sink.Bucket[int](bucket, "out"))
		return err
	}
	require.ErrorIs(t, run(), dmap.ErrTolerance)
	err := run()
	require.ErrorIs(t, err, dmap.ErrEnded)
	for _, text := range []string{"FAILED", "tolerance", "out/r/manifest-000.json"} {
		require.ErrorContains(t, err, text)
	}
}

func TestExpressRunsAreNotResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		var calls atomic.Int64
		express := sink.BucketOptions{Express: true}
		log, _, _, err := sink.Bucket[int](bucket, "out", express).OpenJournal(t.Context(), dmap.RunSpec{RunID: "r"}, nil)
		require.NoError(t, err)
		require.Nil(t, log)
		_, err = job(t.Context(), bucket, 20, &calls, express)
		require.NoError(t, err)
		require.Empty(t, commits(t, bucket))
		for _, opts := range []sink.BucketOptions{express, {}} {
			_, err = job(t.Context(), bucket, 20, &calls, opts)
			require.ErrorIs(t, err, sink.ErrRunExists)
			require.ErrorContains(t, err, "out/r/")
			require.NotErrorIs(t, err, dmap.ErrOpen, "the same call never succeeds")
			require.Equal(t, 78, dmap.ExitCode(err))
		}
		require.EqualValues(t, 20, calls.Load())
	})
}

// Damage to any record that a resume needs is an error that names it, and nothing is called.
func TestDamagedRecordsAreRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		for range 5 {
			suspended(t, bucket, 300)
		}
		dice := rand.New(rand.NewPCG(1, 1))
		damage := map[string]func(string) string{
			"flipped": func(s string) string {
				i := strings.Index(s, "\n") + 1 // what its first line seals
				i += dice.IntN(len(s) - i)
				return s[:i] + string(s[i]^1) + s[i+1:]
			},
			"cut off":   func(s string) string { return s[:dice.IntN(len(s))] },
			"empty":     func(string) string { return "" },
			"longer":    func(s string) string { return s + "{}\n" },
			"newer":     strings.NewReplacer(`"format":1`, `"format":2`, `"format": 1`, `"format": 2`).Replace,
			"deleted":   nil,
			"elsewhere": func(string) string { return read(t, bucket, commits(t, bucket)[3]) },
		}
		var calls atomic.Int64
		_, needed := openAgain(t, bucket)
		require.GreaterOrEqual(t, len(needed), 3)
		for name, change := range damage {
			for _, key := range append(needed, "out/r/run.json") {
				newest, begins := key == needed[len(needed)-1], key == "out/r/run.json"
				switch {
				case change == nil && newest: // it has never been, as far as anybody can tell
					continue
				case name == "flipped" && begins: // it has no checksum: what is read is compared
					continue
				case name == "elsewhere" && key == commits(t, bucket)[3]:
					continue
				}
				begun, before := storedSpec(t, bucket), read(t, bucket, key)
				damaged := ""
				if change != nil {
					damaged = change(before)
				}
				require.NoError(t, bucket.Delete(t.Context(), key))
				if change != nil {
					require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(damaged), nil))
				}
				_, _, _, err := sink.Bucket[int](bucket, "out").OpenJournal(t.Context(), begun, nil)
				require.Error(t, err, "%s %s", name, key)
				require.ErrorContains(t, err, "out/r/", "%s %s", name, key)
				if !errors.Is(err, dmap.ErrSpecChanged) {
					require.True(t, attention.Needed(err), "%s %s: %v", name, key, err)
				}
				require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(before), nil))
			}
		}
		_, err := job(t.Context(), bucket, 300, &calls)
		require.NoError(t, err)
		exact(t, bucket, 300)
	})
}

// storedSpec is the RunSpec in run.json.
func storedSpec(t *testing.T, bucket *blob.Bucket) (b dmap.RunSpec) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(read(t, bucket, "out/r/run.json")), &b))
	return b
}

// openAgain opens and closes the run, and returns the keys of the commits that it read, oldest
// first.
func openAgain(t *testing.T, inner *blob.Bucket) (journal.Progress, []string) {
	t.Helper()
	bucket := dmaptest.NewFaultBucket(t, inner)
	bucket.Record(dmaptest.OpOpen)
	log, p, _, err := sink.Bucket[int](bucket.Bucket, "out").OpenJournal(t.Context(), storedSpec(t, inner), nil)
	require.NoError(t, err)
	require.NoError(t, log.Close())
	var read []string
	for _, call := range bucket.Log() {
		if strings.HasPrefix(call.Key, "out/r/commits/") {
			read = append(read, call.Key)
		}
	}
	slices.Sort(read)
	slices.Reverse(read)
	return p, read
}

// Two runners at once, several times: the fenced runner returns ErrFenced, and each result counts
// once.
func TestTwoRunnersNeverDoubleAResult(t *testing.T) {
	races := testsize.Sizes{Short: 20, Race: 60, Usual: 200, Long: 500}.Now()
	buckets(t, func(t *testing.T, inner *blob.Bucket) {
		fenced := 0
		for race := range races {
			bucket := blob.PrefixedBucket(inner, fmt.Sprint(race, "/"))
			var wg sync.WaitGroup
			errs := make([]error, 2)
			for k := range errs {
				wg.Go(func() { _, errs[k] = sprint(t.Context(), bucket, 40) })
			}
			wg.Wait()
			for _, err := range errs {
				if err != nil {
					require.ErrorIs(t, err, dmap.ErrFenced)
					fenced++
				}
			}
			_, err := sprint(t.Context(), bucket, 40)
			require.NoError(t, err)
			exact(t, bucket, 40)
		}
		t.Logf("%d of %d runners were fenced off", fenced, 2*races)
		require.Positive(t, fenced)
	})
}

// Of two runners with the same run open, the second to write a record gets ErrFenced, even if both
// write the same content.
func TestARecordBelongsToOneRunner(t *testing.T) {
	bucket := memory(t)
	var logs [2]journal.Log
	for i := range logs {
		var err error
		logs[i], _, _, err = sink.Bucket[int](bucket, "out").OpenJournal(t.Context(), dmap.RunSpec{RunID: "r"}, nil)
		require.NoError(t, err)
	}
	require.NoError(t, logs[0].Append(t.Context(), journal.Commit{}))
	before := read(t, bucket, commits(t, bucket)[0])
	require.ErrorIs(t, logs[1].Append(t.Context(), journal.Commit{}), dmap.ErrFenced)
	require.Len(t, commits(t, bucket), 1)
	require.Equal(t, before, read(t, bucket, commits(t, bucket)[0]))
}

// sprint is job without the waiting.
func sprint(ctx context.Context, bucket *blob.Bucket, n int) (dmap.Stats, error) {
	return dmap.Map(ctx, upTo(n), func(_ context.Context, i int) (int, error) {
		if i%10 == 3 {
			return 0, errBad
		}
		return 2 * i, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: 3, CommitEvery: 100 * time.Microsecond, Tolerance: dmap.Tolerance{Percentage: 50}},
		sink.Bucket[int](bucket, "out"))
}

// A start that fails after the journal was opened releases the run.
func TestAStartThatFailsLocksNothing(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		folder := sink.Bucket[int](bucket, "out")
		double := func(_ context.Context, i int) (int, error) { return 2 * i, nil }
		_, err := dmap.Map(t.Context(), upTo(5), double, dmap.Options{RunID: "r"}, folder, &broken{})
		require.ErrorIs(t, err, errBad)
		_, err = dmap.Map(t.Context(), upTo(5), double, dmap.Options{RunID: "r"}, &broken{}, folder)
		require.ErrorIs(t, err, errBad)
		_, err = dmap.Map(t.Context(), upTo(5), double, dmap.Options{RunID: "r"}, sink.Bucket[int](bucket, "out"))
		require.NoError(t, err)
		_, err = dmap.Map(t.Context(), upTo(5), double, dmap.Options{RunID: "r"}, folder)
		require.NoError(t, err)
	})
}

// broken is a Recorder that does not begin, or does not end.
type broken struct{ atEnd bool }

func (*broken) Write(context.Context, []dmap.Result[int]) error { return nil }
func (*broken) Flush(context.Context) error                     { return nil }

func (b *broken) Begin(context.Context, dmap.RunSpec) error {
	if b.atEnd {
		return nil
	}
	return errBad
}

func (b *broken) End(context.Context, dmap.Ending) error { return errBad }

func TestTheManifestWaitsForTheOtherSinks(t *testing.T) {
	bucket := memory(t)
	folder := sink.Bucket[int](bucket, "out")
	double := func(_ context.Context, i int) (int, error) { return 2 * i, nil }
	_, err := dmap.Map(t.Context(), upTo(5), double, dmap.Options{RunID: "r"}, folder, &broken{atEnd: true})
	require.ErrorIs(t, err, errBad)
	requireOpen(t, bucket)
	stats, err := dmap.Map(t.Context(), upTo(5), double, dmap.Options{RunID: "r"}, folder)
	require.NoError(t, err)
	require.EqualValues(t, 5, stats.Succeeded)
}

// A second folder without a journal of its own counts by the commits in the first.
func TestASecondFolderFollowsTheJournalOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		run := func(stopAt int) error {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			_, err := dmap.Map(ctx, upTo(100), func(_ context.Context, i int) (int, error) {
				time.Sleep(10 * time.Millisecond)
				if i == stopAt {
					cancel(dmap.ErrSuspended)
				}
				return 2 * i, nil
			}, dmap.Options{RunID: "r", MaxConcurrency: 2, CommitEvery: 50 * time.Millisecond},
				sink.Bucket[int](bucket, "first"), sink.Bucket[int](bucket, "second"))
			return err
		}
		require.ErrorIs(t, run(30), dmap.ErrSuspended)
		require.ErrorIs(t, run(70), dmap.ErrSuspended)
		require.NoError(t, run(-1))
		for _, prefix := range []string{"first", "second"} {
			m, err := results.Load(t.Context(), bucket, prefix, "r")
			require.NoError(t, err)
			seen := map[int64]bool{}
			for _, r := range collect(t, results.Successes[int](t.Context(), bucket, m)) {
				require.False(t, seen[r.Offset])
				seen[r.Offset] = true
			}
			require.Len(t, seen, 100)
		}
	})
}

func TestALostPartIsNotCommitted(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	f := begun[int](t, bucket.Bucket)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: "SUCCEEDED"})
	require.NoError(t, f.Write(t.Context(), one(row(0, 1))))
	f.Barrier()
	_, err := f.Commit(t.Context())
	_, lost := errors.AsType[*sink.LostError](err)
	require.True(t, lost, "%v", err)
	require.Error(t, f.End(t.Context(), dmap.Ending{Resumable: true, Err: err}))
	require.Equal(t, []string{"out/r/run.json"}, keys(t, bucket.Bucket))
}

func TestACommitNamesOnlyPartsFromBeforeTheBarrier(t *testing.T) {
	bucket := memory(t)
	f := begun[int](t, bucket)
	named := func() int {
		state, err := f.Commit(t.Context())
		require.NoError(t, err)
		var parts struct{ SUCCEEDED []results.Part }
		require.NoError(t, json.Unmarshal(state, &parts))
		n := 0
		for _, p := range parts.SUCCEEDED {
			n += int(p.Records)
		}
		return n
	}
	require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{row(0, 1), row(1, 1)}))
	f.Barrier()
	require.NoError(t, f.Write(t.Context(), one(row(2, 1))))
	require.Equal(t, 2, named())
	f.Barrier()
	require.Equal(t, 1, named())
	f.Barrier()
	require.Zero(t, named())
	require.NoError(t, f.Write(t.Context(), one(row(3, 1)))) // no commit names it
	m := ended(t, bucket, f, dmap.Ending{})
	require.Len(t, collect(t, results.Successes[int](t.Context(), bucket, m)), 3)
}
