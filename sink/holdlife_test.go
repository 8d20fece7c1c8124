package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

var errDown = errors.New("down")

func (a *approvals) approve(t *testing.T, items ...string) {
	t.Helper()
	require.NoError(t, results.Approve(t.Context(), a.bucket, "out", "r", results.Verdict{By: "alice", Note: "ok"}, items...))
}

func (a *approvals) reject(t *testing.T, items ...string) {
	t.Helper()
	require.NoError(t, results.Reject(t.Context(), a.bucket, "out", "r", results.Verdict{By: "bob", Note: "no"}, items...))
}

// A process that dies at any operation, from the hold to the end, is followed by others that end
// the run with each item once. Nobody calls a held item without its decision.
func TestAHoldSurvivesADeathAtEachOperation(t *testing.T) {
	for _, stage := range []string{"hold", "release"} {
		n := int64(1)
		for died := true; died; n += int64(testsize.Sizes{Short: 5, Race: 7, Usual: 1}.Step()) {
			died = false
			synctest.Test(t, func(t *testing.T) { died = diesInAHold(t, stage, n) })
		}
		require.Greater(t, n, int64(10), "operations of the %s", stage)
		t.Logf("%s: %d operations", stage, n)
	}
}

func diesInAHold(t *testing.T, stage string, n int64) (died bool) {
	inner := memory(t)
	a := &approvals{bucket: inner, src: zeroTo(40), holds: undecided(fives)}
	a.opts = dmap.Options{MaxConcurrency: 1, CommitEvery: 100 * time.Millisecond, Tolerance: dmap.Tolerance{Count: 2}}
	a.fails = func(int, *dmap.Decision) error { time.Sleep(5 * time.Millisecond); return nil }
	faults := dmaptest.NewFaultBucket(t, inner)
	dies := func() {
		a.bucket = faults.Bucket
		dead := dying(faults, n)
		_, err := a.run(t)
		if died = dead(); !died && stage == "hold" {
			require.ErrorIs(t, err, dmap.ErrHeld)
		}
		a.bucket = inner
	}
	if stage == "hold" {
		dies()
	}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld, "death at operation %d", n)
	require.Len(t, a.outcomes(t), 40)
	a.approve(t, item(5), item(10), item(35))
	a.reject(t, item(15), item(20))
	before := map[int]int{}
	for n, calls := range a.calls {
		before[n] = len(calls)
	}
	if stage == "release" {
		dies()
		a.outcomes(t) // each item once, also while the run is open
	}
	stats, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld, "death at operation %d", n)
	require.EqualValues(t, 3, stats.Held)
	outcomes := a.outcomes(t)
	require.Len(t, outcomes, 40)
	for i := range 40 {
		want := fmt.Sprint(2 * i)
		switch i {
		case 15, 20:
			want = "rejected"
			require.Len(t, a.calls[i], before[i], "a rejected item is not called")
		case 0, 25, 30:
			want = "held"
			require.Len(t, a.calls[i], before[i], "a held item is not called")
		case 5, 10, 35:
			require.NotNil(t, a.calls[i][len(a.calls[i])-1])
			require.LessOrEqual(t, len(a.calls[i])-before[i], 2)
		default:
			require.Len(t, a.calls[i], before[i], "a settled item is not called again")
		}
		require.Equal(t, want, outcomes[item(i)], "item %d, death at operation %d", i, n)
	}
	_, err = results.Clean(t.Context(), inner, "out", "r", results.CleanOptions{Open: true})
	require.NoError(t, err)
	a.approve(t, item(0), item(25), item(30))
	_, err = a.run(t)
	require.NoError(t, err)
	require.Len(t, a.outcomes(t), 40)
	_, err = results.Clean(t.Context(), inner, "out", "r")
	require.NoError(t, err)
	require.Len(t, a.outcomes(t), 40)
	return died
}

// Held items of every kind of source are read from it again.
func TestHeldItemsOfEverySourceContinue(t *testing.T) {
	const n = 60
	data := memory(t)
	for name, src := range redriveSources(t, data, n) {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			run := func() (dmap.Stats, error) {
				return dmap.Map(t.Context(), src(), func(ctx context.Context, v numbered) (int, error) {
					info, _ := dmap.InfoFrom(ctx)
					if v.N%5 == 0 && info.Decision == nil {
						return 0, dmap.Hold("five")
					}
					return v.N, nil
				}, dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Count: 1}}, sink.Bucket[int](bucket, "out"))
			}
			stats, err := run()
			require.ErrorIs(t, err, dmap.ErrHeld)
			require.EqualValues(t, n/5, stats.Held)
			a := &approvals{bucket: bucket}
			ids, items := a.held(t)
			require.Len(t, ids, n/5)
			a.reject(t, ids[0])
			a.approve(t, ids[1:5]...)
			stats, err = run()
			require.ErrorIs(t, err, dmap.ErrHeld)
			require.EqualValues(t, n/5-5, stats.Held)
			a.approve(t, ids[5:]...)
			stats, err = run()
			require.NoError(t, err)
			require.EqualValues(t, n-1, stats.Succeeded)
			require.EqualValues(t, 1, stats.Failed)
			outcomes := a.outcomes(t)
			require.Len(t, outcomes, n)
			for _, h := range items {
				want := fmt.Sprint(numberOf(t, h.Input))
				if h.ID == ids[0] {
					want = "rejected"
				}
				require.Equal(t, want, outcomes[h.ID])
			}
		})
	}
}

func numberOf(t *testing.T, input json.RawMessage) int {
	t.Helper()
	var v numbered
	require.NoError(t, json.Unmarshal(input, &v))
	return v.N
}

// A run that ends otherwise keeps its held items, and a redrive continues with them.
func TestARedriveContinuesWithHeldItems(t *testing.T) {
	for _, end := range []string{"tolerance", "cancel", "sink.End"} {
		t.Run(end, func(t *testing.T) {
			each(t, func(t *testing.T, batch int) {
				a := &approvals{bucket: memory(t), src: zeroTo(20), batch: batch, holds: undecided(fives)}
				a.opts.Redrive = dmap.Redrive{Max: 9, Canceled: true}
				failing := func(n int, _ *dmap.Decision) error {
					if n == 19 && end == "tolerance" {
						return errDown
					}
					return nil
				}
				a.fails, a.opts.MaxConcurrency = failing, 1
				_, err := a.run(t)
				switch end {
				case "tolerance":
					require.ErrorIs(t, err, dmap.ErrTolerance)
				default:
					require.ErrorIs(t, err, dmap.ErrHeld)
					require.NoError(t, sink.End(t.Context(), a.bucket, "out", "r"))
				}
				r := a.load(t)
				require.NotEqual(t, results.Open, r.Status)
				require.EqualValues(t, 4, r.Stats.Held)
				ids, _ := a.held(t)
				require.Len(t, ids, 4)
				a.approve(t, item(5))
				a.reject(t, item(10))
				a.opts.Tolerance, a.fails = dmap.Tolerance{Count: 1}, nil
				stats, err := a.run(t)
				require.ErrorIs(t, err, dmap.ErrHeld)
				require.Equal(t, 1, stats.Redrives)
				require.EqualValues(t, 2, stats.Held)
				require.EqualValues(t, 17, stats.Succeeded)
				require.Len(t, a.outcomes(t), 20)
				require.Equal(t, results.Open, a.load(t).Status)
				a.approve(t, item(0), item(15))
				stats, err = a.run(t)
				require.NoError(t, err)
				require.EqualValues(t, 19, stats.Succeeded)
				require.Equal(t, 1, stats.Redrives)
				require.Len(t, a.outcomes(t), 20)
				require.Len(t, a.calls[5], 2)
			})
		})
	}
}

// Decided items that have not settled when a run ends are pending, and a redrive calls them with
// their decisions.
func TestARedriveContinuesWithDecidedItems(t *testing.T) {
	for _, end := range []string{"cancel", "sink.End"} {
		for _, trial := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, trial %t", end, trial), func(t *testing.T) {
				a := &approvals{bucket: memory(t), src: zeroTo(20), holds: undecided(fives), opts: dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 5}}}
				a.fails = func(n int, _ *dmap.Decision) error {
					if n == 3 {
						return errDown
					}
					return nil
				}
				_, err := a.run(t)
				require.ErrorIs(t, err, dmap.ErrHeld)
				a.approve(t, item(0), item(5), item(10))
				ctx, cancel := context.WithCancelCause(t.Context())
				opts := a.opts
				opts.RunID = "r"
				run := make(chan *dmap.Run, 1)
				started, err := dmap.Start(ctx, a.src, func(ctx context.Context, n int) (int, error) {
					if n == 5 {
						r := <-run
						if end == "cancel" {
							r.Cancel(nil)
						} else {
							cancel(errDown)
						}
						<-ctx.Done()
						return 0, ctx.Err()
					}
					return 2 * n, nil
				}, opts, sink.Bucket[int](a.bucket, "out"))
				require.NoError(t, err)
				run <- started
				stats, err := started.Wait()
				require.Error(t, err)
				require.EqualValues(t, 2, stats.Pending)
				require.EqualValues(t, 1, stats.Held)
				require.Len(t, a.outcomes(t), 20, "while the run is open")
				if end == "sink.End" {
					require.NoError(t, sink.End(t.Context(), a.bucket, "out", "r"))
				}
				require.Equal(t, results.Canceled, a.load(t).Status)
				outcomes := a.outcomes(t)
				require.Len(t, outcomes, 20)
				require.Equal(t, "pending", outcomes[item(5)])
				require.Equal(t, "pending", outcomes[item(10)])
				require.Equal(t, "held", outcomes[item(15)])
				_, err = results.Clean(t.Context(), a.bucket, "out", "r")
				require.NoError(t, err)
				a.opts.Redrive = dmap.Redrive{Max: 9, Canceled: true}
				if trial {
					a.approve(t, item(15))
					a.fails = nil
					a.opts.Redrive.Limit = 1
					stats, err = a.run(t)
					require.ErrorIs(t, err, dmap.ErrEnded)
					require.Equal(t, "trial", stats.Reason)
					require.EqualValues(t, 2, stats.Pending)
					require.EqualValues(t, 1, stats.Held, "a trial leaves held items as they are")
					require.Len(t, a.outcomes(t), 20)
					a.opts.Redrive.Limit = 0
				}
				stats, err = a.run(t)
				if !trial {
					require.ErrorIs(t, err, dmap.ErrHeld)
					require.EqualValues(t, 1, stats.Held)
					a.fails = nil
					a.approve(t, item(15))
					require.Len(t, a.calls[15], 1)
					stats, err = a.run(t)
				}
				require.NoError(t, err)
				require.Zero(t, stats.Held)
				require.Zero(t, stats.Pending)
				require.EqualValues(t, 20, stats.Succeeded+stats.Failed)
				require.Len(t, a.outcomes(t), 20)
				last := a.calls[10][len(a.calls[10])-1]
				require.Equal(t, "alice", last.By)
			})
		}
	}
}

// A redrive calls failed items with the decision that they had, and rejected ones only on demand.
func TestARedriveKnowsTheDecisions(t *testing.T) {
	each(t, func(t *testing.T, batch int) {
		a := &approvals{bucket: memory(t), src: zeroTo(20), batch: batch, holds: undecided(fives), opts: dmap.Options{Redrive: dmap.Redrive{Max: 9}, MaxConcurrency: 1}}
		a.fails = func(n int, d *dmap.Decision) error {
			if n == 5 && d != nil {
				return errDown
			}
			return nil
		}
		_, err := a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld)
		a.approve(t, item(0), item(5), item(15))
		a.reject(t, item(10))
		a.opts.Tolerance = dmap.Tolerance{Count: 1}
		_, err = a.run(t)
		require.ErrorIs(t, err, dmap.ErrTolerance)
		a.fails = nil
		stats, err := a.run(t)
		require.NoError(t, err)
		require.EqualValues(t, 1, stats.Failed)
		require.EqualValues(t, 19, stats.Succeeded)
		calls := a.calls[5]
		require.Equal(t, "alice", calls[len(calls)-1].By, "the redrive knows the decision")
		require.Len(t, a.calls[10], 1, "a redrive leaves rejected items alone")

		a.opts.Redrive = dmap.Redrive{Max: 9, Tolerated: true, Classes: []string{"rejected"}}
		a.holds = func(n int, d *dmap.Decision) bool { return n == 10 && d.Holds == 1 }
		stats, err = a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld, "the item is held once more")
		require.EqualValues(t, 1, stats.Held)
		require.False(t, a.calls[10][1].Approved)
		_, items := a.held(t)
		require.Equal(t, 2, items[0].Holds)
		require.Equal(t, "bob", items[0].Before.By)
		a.approve(t, item(10))
		stats, err = a.run(t)
		require.NoError(t, err)
		require.EqualValues(t, 20, stats.Succeeded)
		require.True(t, a.calls[10][2].Approved)
		require.Len(t, a.outcomes(t), 20)
	})
}

func TestHeldItemsCountForMaxItems(t *testing.T) {
	a := &approvals{bucket: memory(t), src: zeroTo(40), holds: undecided(fives), opts: dmap.Options{MaxItems: 12}}
	stats, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	require.EqualValues(t, 12, stats.Read)
	require.EqualValues(t, 3, stats.Held)
	a.approve(t, item(0), item(5), item(10))
	stats, err = a.run(t)
	require.NoError(t, err)
	require.EqualValues(t, 12, stats.Succeeded)
	require.Equal(t, "max items", stats.Reason)
}

// A run that is open for another reason says that reason: the same call resumes it.
func TestAnOpenRunWithHeldItemsIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &approvals{bucket: memory(t), src: zeroTo(40), holds: undecided(fives), opts: dmap.Options{MaxConcurrency: 1}}
		run := make(chan *dmap.Run, 1)
		opts := a.opts
		opts.RunID = "r"
		started, err := dmap.Start(t.Context(), a.src, func(ctx context.Context, n int) (int, error) {
			if n == 22 {
				(<-run).Suspend()
			}
			return a.call(n, nil)
		}, opts, sink.Bucket[int](a.bucket, "out"))
		require.NoError(t, err)
		run <- started
		stats, err := started.Wait()
		require.ErrorIs(t, err, dmap.ErrOpen)
		require.NotErrorIs(t, err, dmap.ErrHeld)
		require.Equal(t, 75, dmap.ExitCode(err))
		require.EqualValues(t, 5, stats.Held)
		a.approve(t, item(5))
		stats, err = a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.EqualValues(t, 7, stats.Held)
		require.Len(t, a.calls[5], 2)
	})
}

// Reasons, notes and inputs follow the rules of the run for texts.
func TestTextsOfHoldsAreScrubbed(t *testing.T) {
	const id = "item@1"
	a := &approvals{bucket: memory(t), src: zeroTo(2), sink: sink.BucketOptions{Inputs: sink.InputsNone}}
	long := "see https://user:hunter2@example.com/?token=abc \x1b[31m" + strings.Repeat("x", 100_000)
	a.opts.Redact.Error = func(text string) string { return strings.ReplaceAll(text, "see", "look at") }
	run := func() (dmap.Stats, error) {
		opts := a.opts
		opts.RunID, opts.Tolerance = "r", dmap.Tolerance{Count: 1}
		return dmap.Map(t.Context(), a.src, func(ctx context.Context, n int) (int, error) {
			if info, _ := dmap.InfoFrom(ctx); n == 1 && info.Decision == nil {
				return 0, dmap.Hold(long)
			}
			return n, nil
		}, opts, sink.Bucket[int](a.bucket, "out", a.sink))
	}
	_, err := run()
	require.ErrorIs(t, err, dmap.ErrHeld)
	_, items := a.held(t)
	require.Nil(t, items[0].Input)
	for _, bad := range []string{"hunter2", "abc", "\x1b", "see"} {
		require.NotContains(t, items[0].Reason, bad)
	}
	require.Contains(t, items[0].Reason, "look at")
	require.LessOrEqual(t, len(items[0].Reason), 4<<10)
	require.NoError(t, results.Reject(t.Context(), a.bucket, "out", "r", results.Verdict{By: "x\x1b", Note: "password=hunter2 \x1b[2J"}, id))
	_, err = run()
	require.NoError(t, err)
	for _, key := range keys(t, a.bucket) {
		if strings.Contains(key, "/decisions/") {
			continue // the person wrote it
		}
		text := read(t, a.bucket, key)
		require.NotContains(t, text, "hunter2", key)
		require.NotContains(t, text, "\x1b", key)
	}
	require.Equal(t, map[string]string{"item@0": "0", id: "rejected"}, a.outcomes(t))
}

// The journal does not grow with held items, decisions or releases.
func TestTheJournalDoesNotGrowWithReleases(t *testing.T) {
	const n = 600
	a := &approvals{bucket: memory(t), src: zeroTo(n), holds: func(_ int, d *dmap.Decision) bool { return d == nil }}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	size := func() (largest int) {
		for _, key := range keys(t, a.bucket) {
			if strings.Contains(key, "/commits/") {
				largest = max(largest, len(read(t, a.bucket, key)))
			}
		}
		return largest
	}
	ids, _ := a.held(t)
	var first int
	for i, some := range slices.Collect(slices.Chunk(ids, 10)) {
		a.approve(t, some...)
		stats, err := a.run(t)
		if i < n/10-1 {
			require.ErrorIs(t, err, dmap.ErrHeld)
			require.EqualValues(t, n-10*(i+1), stats.Held)
		} else {
			require.NoError(t, err)
		}
		if i == 0 {
			first = size()
		}
	}
	require.Len(t, a.outcomes(t), n)
	// A part for each of the 60 processes, of about 170 bytes in a commit, and 16 such commits in
	// one record.
	require.Less(t, size(), first+60*600)
	for _, calls := range a.calls {
		require.Len(t, calls, 2)
	}
}

// An export has held items of an ended run among the pending ones.
func TestAnExportHasHeldItems(t *testing.T) {
	a := &approvals{bucket: memory(t), src: zeroTo(20), holds: undecided(fives)}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	require.NoError(t, sink.End(t.Context(), a.bucket, "out", "r"))
	_, err = results.ExportStepFunctions(t.Context(), a.bucket, a.load(t), a.bucket, "export")
	require.NoError(t, err)
	text := read(t, a.bucket, "export/r/PENDING_0.json")
	require.Equal(t, 4, strings.Count(text, `"Status":"PENDING"`))
	require.Contains(t, text, `"Cause":"15 is large"`)
}

// An approved item that is gone, or that the source drops now, is no call; a rejected one fails as
// such in any case.
func TestDecidedItemsThatTheSourceNoLongerHas(t *testing.T) {
	bucket, data := memory(t), memory(t)
	for i := range 6 {
		require.NoError(t, data.WriteAll(t.Context(), fmt.Sprintf("in/%d.json", i), []byte(`{"n":1}`), nil))
	}
	run := func() (dmap.Stats, error) {
		return dmap.Map(t.Context(), source.Objects(data, "in/"), func(ctx context.Context, o source.Object) (int, error) {
			if info, _ := dmap.InfoFrom(ctx); info.Decision == nil {
				return 0, dmap.Hold("look")
			}
			return 1, nil
		}, dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Count: 5}}, sink.Bucket[int](bucket, "out"))
	}
	_, err := run()
	require.ErrorIs(t, err, dmap.ErrHeld)
	a := &approvals{bucket: bucket}
	a.approve(t, "in/0.json", "in/1.json")
	a.reject(t, "in/2.json", "in/3.json")
	require.NoError(t, errors.Join(data.Delete(t.Context(), "in/1.json"), data.Delete(t.Context(), "in/3.json")))
	_, err = run()
	require.ErrorIs(t, err, dmap.ErrHeld)
	outcomes := a.outcomes(t)
	require.Equal(t, map[string]string{
		"in/0.json": "1", "in/1.json": "gone", "in/2.json": "rejected", "in/3.json": "rejected", "in/4.json": "held", "in/5.json": "held",
	}, outcomes)
}

// A second process that resumes the run at the same time is fenced, and no item is released twice.
func TestOnlyOneOfTwoProcessesReleases(t *testing.T) {
	inner := memory(t)
	a := &approvals{bucket: inner, src: zeroTo(20), holds: undecided(fives)}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	a.approve(t, item(5), item(10))
	other := &approvals{bucket: inner, src: zeroTo(20), holds: undecided(fives)}
	faults := dmaptest.NewFaultBucket(t, inner)
	done := false
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if !ended && c.Op == dmaptest.OpList && strings.HasSuffix(c.Key, "decisions/") && !done {
			done = true
			_, err := other.run(t)
			require.ErrorIs(t, err, dmap.ErrHeld)
		}
	})
	a.bucket = faults.Bucket
	_, err = a.run(t)
	require.ErrorIs(t, err, dmap.ErrFenced)
	require.True(t, done)
	require.Len(t, a.calls[5], 1)
	require.Len(t, other.calls[5], 1)
	a.bucket = inner
	outcomes := a.outcomes(t)
	require.Len(t, outcomes, 20)
	require.Equal(t, "10", outcomes[item(5)])
}

// A run inside a call that waits for decisions, or that cannot keep a held item, neither holds the
// item of the call nor leaves the outer run open.
func TestAHoldOfANestedRunIsNotThatOfTheOuterRun(t *testing.T) {
	bucket := memory(t)
	for name, express := range map[string]bool{"held": false, "not kept": true} {
		t.Run(name, func(t *testing.T) {
			inner := func(ctx context.Context, n int) (int, error) {
				_, err := dmap.Map(ctx, zeroTo(1), func(context.Context, int) (int, error) { return 0, dmap.Hold("why") },
					dmap.Options{RunID: fmt.Sprintf("inner-%t", express)}, sink.Bucket[int](bucket, "in", sink.BucketOptions{Express: express}))
				return n, err
			}
			stats, err := dmap.Map(t.Context(), zeroTo(1), inner, dmap.Options{RunID: strings.ReplaceAll(name, " ", "-")}, sink.Bucket[int](bucket, "outer"))
			require.ErrorIs(t, err, dmap.ErrTolerance)
			require.NotErrorIs(t, err, dmap.ErrHeld)
			require.Equal(t, 1, dmap.ExitCode(err))
			require.EqualValues(t, 1, stats.Failed)
			require.Zero(t, stats.Held)
		})
	}
}
