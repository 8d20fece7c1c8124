package sink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// dying makes every operation fail from the n-th on, as seen by a process that dies there.
func dying(bucket *dmaptest.FaultBucket, n int64) (died func() bool) {
	var seen atomic.Int64
	var once sync.Once
	bucket.Watch(func(c dmaptest.Call, ended bool) {
		if ended || seen.Add(1) < n {
			return
		}
		once.Do(func() {
			for _, op := range []dmaptest.Op{
				dmaptest.OpOpen, dmaptest.OpRead, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose,
				dmaptest.OpAttributes, dmaptest.OpDelete,
			} {
				bucket.Inject(dmaptest.Fault{Op: op, Sticky: true})
			}
		})
	})
	return func() bool {
		bucket.Watch(nil)
		bucket.Heal()
		return seen.Load() >= n
	}
}

// A process that dies at any operation of a redrive, from its begin to its manifest, is followed by
// one that ends the redrive with each item once.
func TestARedriveSurvivesADeathAtEachOperation(t *testing.T) {
	stride := int64(testsize.Sizes{Short: 7, Race: 3, Usual: 1}.Step()) // with the race detector every third one
	n := 1 + rand.Int64N(stride)
	for died := true; died; n += stride {
		died = func() (died bool) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaily(t, 120)
				inner := d.bucket
				d.opts.Redrive.Max, d.opts.Tolerance, d.opts.MaxConcurrency = 9, dmap.Tolerance{Count: 10}, 1
				d.opts.CommitEvery = 20 * time.Millisecond
				d.endFailed(t)
				d.opts.Tolerance = dmap.Tolerance{}
				faults := dmaptest.NewFaultBucket(t, inner)
				d.bucket, d.fails = faults.Bucket, func(n int) bool { return n == 41 } // the last one that it takes
				dead := dying(faults, n)
				_, err := d.run(t.Context())
				if died = dead(); !died {
					require.ErrorIs(t, err, dmap.ErrTolerance)
				}
				d.bucket, d.fails = inner, nil
				requireEachOnce(t, inner)
				stats, err := d.run(t.Context())
				if errors.Is(err, dmap.ErrTolerance) { // the failure had been committed
					stats, err = d.run(t.Context())
				}
				require.NoError(t, err, "death at operation %d", n)
				require.EqualValues(t, 120, stats.Succeeded, "death at operation %d", n)
				require.Len(t, listed(t, inner)["SUCCEEDED"], 120)
				require.LessOrEqual(t, stats.Redrives, 2)
				_, err = results.Clean(t.Context(), inner, "out", "r")
				require.NoError(t, err)
				require.Len(t, listed(t, inner)["SUCCEEDED"], 120)
			})
			return died
		}()
	}
	require.Greater(t, n, int64(40), "operations of a redrive")
	t.Logf("%d operations", n)
}

// A create whose answer is lost is not taken for that of another process.
func TestALostAnswerToTheBeginOfARedriveIsNoOtherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaily(t, 100)
		d.endFailed(t)
		faults := dmaptest.NewFaultBucket(t, d.bucket)
		hits := faults.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: "redrive-001.json", Kind: dmaptest.Lost})
		d.bucket, d.fails = faults.Bucket, nil
		stats, err := d.run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
		require.Equal(t, 1, hits())
	})
}

func TestOnlyOneOfTwoProcessesRedrives(t *testing.T) {
	d := newDaily(t, 100)
	d.endFailed(t)
	inner := d.bucket
	other := newDaily(t, 100)
	other.bucket, other.fails = inner, nil
	faults := dmaptest.NewFaultBucket(t, inner)
	var once sync.Once
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if !ended && c.Op == dmaptest.OpCreate && strings.HasSuffix(c.Key, "redrive-001.json") {
			once.Do(func() {
				_, err := other.run(t.Context())
				require.NoError(t, err)
			})
		}
	})
	d.bucket, d.fails = faults.Bucket, nil
	_, err := d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrFenced)
	require.Empty(t, d.infos)
	require.Len(t, listed(t, inner)["SUCCEEDED"], 100)
	stats, err := d.run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, stats.Redrives)
}

// overwrite changes a part without changing its size, and returns its key.
func overwrite(t *testing.T, bucket *blob.Bucket, prefix string) string {
	t.Helper()
	for _, key := range keys(t, bucket) {
		if strings.HasPrefix(key, prefix) {
			content, err := bucket.ReadAll(t.Context(), key)
			require.NoError(t, err)
			changed := strings.Replace(string(content), `"offset":`, `"offset": `, 1)
			require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(strings.TrimSuffix(changed, "\n")), nil))
			return key
		}
	}
	require.Fail(t, "no part")
	return ""
}

func TestAnOverwrittenPartIsRefusedBeforeItsFirstItem(t *testing.T) {
	t.Run("before the redrive begins", func(t *testing.T) {
		d := newDaily(t, 100)
		d.endFailed(t)
		key := overwrite(t, d.bucket, "out/r/FAILED_")
		_, err := d.run(t.Context())
		require.ErrorContains(t, err, key)
		require.ErrorContains(t, err, "SHA-256")
		require.Empty(t, d.infos)
	})
	t.Run("when it resumes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDaily(t, 100)
			d.endFailed(t)
			d.fails = nil
			d.opts.CommitEvery = 10 * time.Millisecond
			_, err := suspendSoon(t, d, 15*time.Millisecond)
			require.ErrorIs(t, err, dmap.ErrSuspended)
			key := overwrite(t, d.bucket, "out/r/TAKEN_")
			_, err = d.run(t.Context())
			require.ErrorContains(t, err, key)
			require.ErrorContains(t, err, "SHA-256")
			require.Empty(t, d.infos)
		})
	})
}

func TestARedriveNeedsAJournal(t *testing.T) {
	d := newDaily(t, 10)
	d.sink.Express = true
	_, err := d.run(t.Context())
	require.ErrorContains(t, err, "Express")
	require.Empty(t, d.infos)
	require.Empty(t, keys(t, d.bucket), "nothing was begun")
	_, err = dmap.Map(t.Context(), d.src(), func(context.Context, numbered) (int, error) { return 0, nil }, d.opts)
	require.ErrorContains(t, err, "journal")
}

func TestAnOpenRedriveContinuesAsItWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaily(t, 100)
		d.endFailed(t)
		d.opts.Version, d.opts.CommitEvery, d.fails = "2", 10*time.Millisecond, nil
		_, err := suspendSoon(t, d, 15*time.Millisecond)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		open := requireEachOnce(t, d.bucket)
		require.Equal(t, results.Open, open.Status)
		require.Equal(t, 1, open.Redrive)
		require.Positive(t, open.Stats.Pending)

		d.opts.Version = "3"
		_, err = d.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrSpecChanged, "the redrive was begun with another version")
		d.opts.Version = "2"
		_, err = results.Clean(t.Context(), d.bucket, "out", "r")
		require.ErrorIs(t, err, results.ErrNoManifest, "it is open")
		_, err = results.Clean(t.Context(), d.bucket, "out", "r", results.CleanOptions{Open: true})
		require.NoError(t, err)

		var log strings.Builder
		d.opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		d.opts.Redrive.Glob = "none"
		stats, err := d.run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
		require.Len(t, listed(t, d.bucket)["SUCCEEDED"], 100)
		require.Contains(t, log.String(), "another")
	})
}

func TestARedriveRefusesAnotherSource(t *testing.T) {
	d := newDaily(t, 100)
	d.endFailed(t)
	src := d.src
	d.src = func() dmap.Source[numbered] { return source.Concat(src(), src()) }
	_, err := d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	d.src = src
	d.opts.MaxItems = 7
	_, err = d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
}

func TestItemsThatAreGoneOrChangedFailWithoutEndingTheRun(t *testing.T) {
	for _, name := range []string{"objects", "flatten", "csv", "json lines"} {
		t.Run(name, func(t *testing.T) {
			in := memory(t)
			d := newDaily(t, 0)
			d.src = redriveSources(t, in, 40)[name]
			d.opts.Tolerance = dmap.Tolerance{Percentage: 50}
			_, err := d.run(t.Context())
			require.NoError(t, err)
			d.fails = nil
			d.opts.Redrive.Tolerated, d.opts.Tolerance = true, dmap.Tolerance{Count: 5}
			for n := range 40 { // 1, 5, 9, ... failed
				switch key := fmt.Sprintf("many/%04d/%d.jsonl", n/10, n); n % 12 {
				case 1:
					require.NoError(t, in.Delete(t.Context(), key))
				case 5:
					require.NoError(t, in.WriteAll(t.Context(), key, []byte(fmt.Sprintf("{ \"n\": %d }\n", n)), nil))
				}
			}
			want := map[string]int{}
			switch name {
			case "objects":
				want["gone"] = 4
			case "flatten":
				want["gone"], want["changed"] = 4, 3
				d.opts.Tolerance.Count = 7
			case "csv":
				want["gone"] = 10
				d.opts.Tolerance.Count = 10
				require.NoError(t, in.Delete(t.Context(), "in.csv"))
			default:
				want["changed"] = 10
				d.opts.Tolerance.Count = 10
				require.NoError(t, in.WriteAll(t.Context(), "in.jsonl", []byte("{}\n"), nil))
			}
			stats, err := d.run(t.Context())
			require.NoError(t, err)
			got := map[string]int{}
			for _, r := range listed(t, d.bucket)["FAILED"] {
				got[r["class"].(string)]++
				require.Contains(t, r["error"], r["key"])
				if r["class"] == "changed" {
					require.Contains(t, r["error"], "new RunID")
				}
			}
			require.Equal(t, want, got)
			require.EqualValues(t, 40, stats.Read)
			if name == "objects" { // as they are now
				require.EqualValues(t, 36, stats.Succeeded)
			}
		})
	}
}

// Only the failures of a redrive stop it, and items that are gone do not count for that.
func TestAToleranceOfARedriveIsOfItsItems(t *testing.T) {
	in := memory(t)
	d := newDaily(t, 0)
	d.src = redriveSources(t, in, 200)["objects"]
	d.opts.Tolerance = dmap.Tolerance{Percentage: 50}
	_, err := d.run(t.Context())
	require.NoError(t, err, "50 of 200 failed")
	for n := 1; n < 80; n += 4 { // 20 are gone
		require.NoError(t, in.Delete(t.Context(), fmt.Sprintf("many/%04d/%d.jsonl", n/10, n)))
	}
	d.opts.Redrive = dmap.Redrive{Max: 1, Tolerated: true, Glob: "many/000[0-9]/*"} // 1 to 97: 25 items
	d.opts.MaxConcurrency = 1
	d.opts.Tolerance = dmap.Tolerance{Percentage: 24, MinItems: 1}
	d.fails = func(n int) bool { return n >= 93 } // 2 of 25
	stats, err := d.run(t.Context())
	require.NoError(t, err, "50 - 25 + 22 of 200 failed")
	require.EqualValues(t, 47, stats.Failed)
	require.Len(t, d.infos, 5)
}

func TestAFilterThatDropsATakenItemSkipsIt(t *testing.T) {
	for _, size := range []int{0, 5} {
		d := newDaily(t, 100)
		d.batch = size
		src := d.src
		keep := func(v numbered) bool { return v.N%10 != 0 }
		d.src = func() dmap.Source[numbered] { return source.Filter(src(), keep) }
		d.opts.Tolerance = dmap.Tolerance{Percentage: 30, MinItems: 200}
		d.opts.Redrive.Tolerated = true
		first, err := d.run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 10, first.Skipped)
		d.fails = nil
		keep = func(v numbered) bool { return v.N > 40 }
		stats, err := d.run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Read)
		require.EqualValues(t, 20, stats.Skipped, "1, 5, ..., 37 too; what was skipped before stays so")
		require.EqualValues(t, 80, stats.Succeeded)
		require.Len(t, listed(t, d.bucket)["SUCCEEDED"], 80)
	}
}

// secret has a value that does not survive JSON.
type secret struct {
	Raw  []byte
	mark int
}

func TestARedriveReadsValuesThatJSONCannotCarry(t *testing.T) {
	in, bucket := memory(t), memory(t)
	require.NoError(t, in.WriteAll(t.Context(), "in.csv", []byte("name\ncaf\xe9\nplain\n"), nil))
	decode := func([]string) (func(source.Row) (secret, error), error) {
		return func(r source.Row) (secret, error) { return secret{slices.Clone(r.Bytes(0)), r.Len()}, nil }, nil
	}
	var got []secret
	run := func(err error) (dmap.Stats, error) {
		got = nil
		src := source.CSV(in, "in.csv", decode, source.CSVOptions{AnyBytes: true})
		return dmap.Map(t.Context(), src, func(_ context.Context, s secret) (int, error) {
			got = append(got, s)
			return 0, err
		}, dmap.Options{RunID: "r", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 1}, Redrive: dmap.Redrive{Max: 1}},
			sink.Bucket[int](bucket, "out", sink.BucketOptions{Inputs: sink.InputsNone}))
	}
	_, err := run(errors.New("down"))
	require.ErrorIs(t, err, dmap.ErrTolerance)
	_, err = run(nil)
	require.NoError(t, err)
	require.Equal(t, []secret{{[]byte("caf\xe9"), 1}, {[]byte("plain"), 1}}, got)
}

// The state of a run does not grow with the number of its redrives.
func TestTheJournalDoesNotGrowWithRedrives(t *testing.T) {
	d := newDaily(t, 100)
	d.opts.Redrive.Max, d.opts.Tolerance = 1000, dmap.Tolerance{Count: 24}
	d.opts.MaxConcurrency = 1
	d.fails = func(n int) bool { return n >= 75 }
	var sizes []int
	for range 80 {
		d.endFailed(t)
		newest := commits(t, d.bucket)[0]
		content, err := d.bucket.ReadAll(t.Context(), newest)
		require.NoError(t, err)
		if strings.Contains(string(content), `"from":0,`) {
			sizes = append(sizes, len(content))
		}
	}
	for _, key := range commits(t, d.bucket) {
		content, err := d.bucket.ReadAll(t.Context(), key)
		require.NoError(t, err)
		if strings.Contains(string(content), `"from":0,`) {
			sizes = append(sizes, len(content))
		}
	}
	require.NotEmpty(t, sizes)
	require.Less(t, slices.Max(sizes), 8<<10)
	d.fails = nil
	stats, err := d.run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 80, stats.Redrives)
	require.Len(t, listed(t, d.bucket)["SUCCEEDED"], 100)
}

// sink.End ends an open redrive, before anything of it counts and after. The next redrive takes
// what was left.
func TestAnOpenRedriveIsEndedWithoutItsSource(t *testing.T) {
	for _, limit := range []int64{0, 7} {
		for _, counts := range []bool{false, true} {
			t.Run(fmt.Sprintf("limit %d, counts %v", limit, counts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newDaily(t, 100)
					inner := d.bucket
					d.opts.MaxConcurrency, d.opts.Tolerance = 1, dmap.Tolerance{Count: 20}
					d.endFailed(t)
					before := listed(t, inner)
					d.opts.Tolerance, d.opts.CommitEvery, d.fails = dmap.Tolerance{}, 10*time.Millisecond, nil
					d.opts.Redrive.Limit = limit
					if counts {
						_, err := suspendSoon(t, d, 35*time.Millisecond)
						require.ErrorIs(t, err, dmap.ErrSuspended)
					} else {
						faults := dmaptest.NewFaultBucket(t, inner)
						faults.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Key: "commits/", Sticky: true})
						d.bucket = faults.Bucket
						_, err := d.run(t.Context())
						require.ErrorIs(t, err, dmaptest.ErrInjected)
						require.Empty(t, d.infos)
						d.bucket = inner
					}
					done := requireEachOnce(t, inner)
					require.Equal(t, results.Open, done.Status)
					require.NoError(t, sink.End(t.Context(), inner, "out", "r"))
					r := requireEachOnce(t, inner)
					require.Equal(t, results.Canceled, r.Status)
					require.Equal(t, 1, r.Redrive)
					require.Equal(t, done.Stats.Succeeded, r.Stats.Succeeded)
					all := listed(t, inner)
					require.Len(t, all["PENDING"], int(r.Stats.Pending))
					if counts {
						require.Greater(t, len(all["SUCCEEDED"]), len(before["SUCCEEDED"]))
						require.NotEmpty(t, all["PENDING"])
					} else {
						require.Equal(t, before, all)
					}
					_, err := results.Clean(t.Context(), inner, "out", "r")
					require.NoError(t, err)
					d.opts.Redrive = dmap.Redrive{Max: 3, Canceled: true}
					stats, err := d.run(t.Context())
					require.NoError(t, err)
					require.EqualValues(t, 100, stats.Succeeded)
					require.EqualValues(t, 100, stats.Read)
					require.Len(t, listed(t, inner)["SUCCEEDED"], 100)
				})
			})
		}
	}
}

// A redrive reads the items that the run was begun with, or none.
func TestARedriveRefusesOtherValues(t *testing.T) {
	for _, kind := range []string{"slice", "seq"} {
		d := newDaily(t, 100)
		list := make([]numbered, 100)
		for i := range list {
			list[i].N = i
		}
		d.src = func() dmap.Source[numbered] {
			if kind == "seq" {
				return source.Seq(slices.Values(list))
			}
			return source.Slice(list)
		}
		d.opts.Tolerance, d.opts.Redrive.Tolerated = dmap.Tolerance{Percentage: 50}, true
		_, err := d.run(t.Context())
		require.NoError(t, err)
		slices.Reverse(list)
		d.fails = nil
		_, err = d.run(t.Context())
		require.Empty(t, d.infos, kind)
		require.ErrorIs(t, err, dmap.ErrSpecChanged, kind)
		require.Zero(t, newestManifest(t, d.bucket).Redrive)
		for _, r := range listed(t, d.bucket)["FAILED"] {
			require.Equal(t, "error", r["class"])
		}
	}
}
