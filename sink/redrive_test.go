package sink_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

type numbered struct {
	N int `json:"n"`
}

// redriveSources are sources of the numbers below n, of every kind that a redrive reads otherwise.
func redriveSources(t *testing.T, bucket *blob.Bucket, n int) map[string]func() dmap.Source[numbered] {
	t.Helper()
	var csv, lines, array strings.Builder
	csv.WriteString("N,Text\n")
	array.WriteString("[")
	list := make([]numbered, n)
	for i := range n {
		list[i].N = i
		fmt.Fprintf(&csv, "%d,%q\n", i, strings.Repeat("x", i%7)+"\n")
		fmt.Fprintf(&lines, "{\"n\":%d}\n", i)
		fmt.Fprintf(&array, "%s{\"n\":%d}", []string{"", ","}[min(i, 1)], i)
	}
	array.WriteString("]")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(lines.String()))
	require.NoError(t, errors.Join(err, z.Close()))
	put := func(key, content string) { require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(content), nil)) }
	put("in.csv", csv.String())
	put("in.jsonl", lines.String())
	put("in.jsonl.gz", packed.String())
	put("in.json", array.String())
	for i := range n {
		put(fmt.Sprintf("many/%04d/%d.jsonl", i/10, i), fmt.Sprintf("{\"n\":%d}\n", i))
	}
	half := func(from, to int) dmap.Source[numbered] { return source.Slice(list[from:to]) }
	return map[string]func() dmap.Source[numbered]{
		"slice": func() dmap.Source[numbered] { return source.Slice(list) },
		"seq":   func() dmap.Source[numbered] { return source.Seq(slices.Values(list)) },
		"csv": func() dmap.Source[numbered] {
			return source.CSV(bucket, "in.csv", source.Into[numbered])
		},
		"json lines": func() dmap.Source[numbered] { return source.JSONLines[numbered](bucket, "in.jsonl") },
		"gzip":       func() dmap.Source[numbered] { return source.JSONLines[numbered](bucket, "in.jsonl.gz") },
		"json array": func() dmap.Source[numbered] { return source.JSONArray[numbered](bucket, "in.json") },
		"concat": func() dmap.Source[numbered] {
			return source.Concat(half(0, n/3), source.Seq(slices.Values(list[n/3:])))
		},
		"flatten": func() dmap.Source[numbered] { return source.Flatten(source.Objects(bucket, "many/"), asLines) },
		"objects": func() dmap.Source[numbered] { return source.Transform(source.Objects(bucket, "many/"), asNumber) },
		"objects and a list": func() dmap.Source[numbered] {
			return source.Concat(half(0, 0), source.Transform(source.Objects(bucket, "many/"), asNumber))
		},
	}
}

func asLines(o source.Object) dmap.Source[numbered] { return source.JSONLinesOf[numbered](o) }

func asNumber(ctx context.Context, o source.Object) (v numbered, err error) {
	return v, o.DecodeJSON(ctx, &v)
}

// daily is a job that is run again and again until it succeeds.
type daily struct {
	bucket *blob.Bucket
	src    func() dmap.Source[numbered]
	opts   dmap.Options
	sink   sink.BucketOptions
	batch  int
	fails  func(n int) bool

	mu    sync.Mutex
	calls map[int]int      // by number; guarded by mu
	keys  map[int][]string // idempotency keys; guarded by mu
	infos []dmap.Info      // of the calls of the last run
	stop  *dmap.Run        // the last run; guarded by mu
}

// cancel cancels the run; mu is held.
func (d *daily) cancel() { d.stop.Cancel(nil) }

func (d *daily) call(info dmap.Info, n int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil {
		d.calls, d.keys = map[int]int{}, map[int][]string{}
	}
	d.calls[n]++
	d.keys[n] = append(d.keys[n], info.IdempotencyKey())
	d.infos = append(d.infos, info)
	if d.fails != nil && d.fails(n) {
		return 0, fmt.Errorf("number %d fails", n)
	}
	return 2 * n, nil
}

func (d *daily) run(ctx context.Context) (dmap.Stats, error) {
	d.infos = nil
	opts := d.opts
	opts.RunID = "r"
	out := sink.Bucket[int](d.bucket, "out", d.sink)
	if d.batch == 0 {
		d.mu.Lock()
		run, err := dmap.Start(ctx, d.src(), func(ctx context.Context, v numbered) (int, error) {
			info, _ := dmap.InfoFrom(ctx)
			return d.call(info, v.N)
		}, opts, out)
		d.stop = run
		d.mu.Unlock()
		if err != nil {
			return dmap.Stats{}, err
		}
		return run.Wait()
	}
	d.mu.Lock()
	run, err := dmap.StartBatch(ctx, d.src(), batch.Limits{Items: d.batch}, func(ctx context.Context, items []dmap.Item[numbered]) ([]int, error) {
		first, _ := dmap.InfoFrom(ctx)
		values, errs := make([]int, len(items)), batch.Errors{}
		for i, item := range items {
			info := dmap.Info{RunID: first.RunID, Redrive: first.Redrive, Key: item.Key, Offset: item.Offset}
			var err error
			if values[i], err = d.call(info, item.Value.N); err != nil {
				errs[i] = err
			}
		}
		return values, errs.Err()
	}, opts, out)
	d.stop = run
	d.mu.Unlock()
	if err != nil {
		return dmap.Stats{}, err
	}
	return run.Wait()
}

// newestManifest reads manifests by their names alone.
func newestManifest(t *testing.T, bucket *blob.Bucket) (m struct {
	Status      string
	Redrive     int
	Stats       dmap.Stats
	Unread      json.RawMessage
	ResultFiles map[string][]struct{ Key string }
}) {
	t.Helper()
	for n := 0; ; n++ {
		content, err := bucket.ReadAll(t.Context(), fmt.Sprintf("out/r/manifest-%03d.json", n))
		if err != nil {
			require.Positive(t, n)
			return m
		}
		m.ResultFiles = nil
		require.NoError(t, json.Unmarshal(content, &m))
		require.Equal(t, n, m.Redrive)
	}
}

// listed returns the records of each kind that the newest manifest lists, by ID, and requires that
// each item is there once.
func listed(t *testing.T, bucket *blob.Bucket) map[string]map[string]map[string]any {
	t.Helper()
	out, seen := map[string]map[string]map[string]any{}, map[string]bool{}
	for kind, parts := range newestManifest(t, bucket).ResultFiles {
		out[kind] = map[string]map[string]any{}
		for _, p := range parts {
			content, err := bucket.ReadAll(t.Context(), p.Key)
			require.NoError(t, err)
			for line := range strings.Lines(string(content)) {
				var r map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &r))
				id := r["id"].(string)
				require.False(t, seen[id], "item %q is listed twice", id)
				seen[id] = true
				out[kind][id] = r
			}
		}
	}
	requireGrouped(t, bucket)
	return out
}

func TestAFailedRunIsRedrivenByTheSameCall(t *testing.T) {
	const n = 200
	for _, size := range []int{0, 7} {
		bucket := memory(t)
		for name, src := range redriveSources(t, bucket, n) {
			t.Run(fmt.Sprintf("%s in batches of %d", name, size), func(t *testing.T) {
				own := memory(t)
				d := &daily{
					bucket: own, src: src, batch: size, sink: sink.BucketOptions{PartBytes: 1 << 10},
					opts:  dmap.Options{MaxConcurrency: 4, Redrive: dmap.Redrive{Max: 5}},
					fails: func(n int) bool { return n%3 == 1 },
				}
				d.opts.Tolerance.Percentage = 1
				stats, err := d.run(t.Context())
				require.ErrorIs(t, err, dmap.ErrTolerance)
				require.Positive(t, stats.Failed)
				first := listed(t, own)
				require.NotEmpty(t, first["FAILED"])

				d.fails, d.opts.Version = nil, "mended"
				stats, err = d.run(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, n, stats.Read)
				require.EqualValues(t, n, stats.Succeeded)
				require.Zero(t, stats.Failed+stats.Pending+stats.Skipped)
				require.Equal(t, 1, stats.Redrives)
				all := listed(t, own)
				require.Len(t, all["SUCCEEDED"], n)
				require.Empty(t, all["FAILED"])
				for number := range n {
					keys := slices.Compact(d.keys[number])
					require.Len(t, keys, 1, "the key of %d stays the same", number)
					require.LessOrEqual(t, d.calls[number], 2)
				}
				for _, info := range d.infos {
					require.Equal(t, 1, info.Redrive)
					require.NotContains(t, first["SUCCEEDED"], info.ID(), "what has succeeded does not run again")
				}
				for id, r := range first["FAILED"] {
					require.Equal(t, r["split"], all["SUCCEEDED"][id]["split"])
					require.Equal(t, r["index"], all["SUCCEEDED"][id]["index"])
				}

				again, err := d.run(t.Context())
				require.NoError(t, err)
				require.Empty(t, d.infos, "it has succeeded")
				require.Equal(t, stats.Succeeded, again.Succeeded)
			})
		}
	}
}

// Three redrives, each stopped by its tolerance and suspended at every commit, lose nothing.
func TestAChainOfRedrivesKeepsEachItemOnce(t *testing.T) {
	n := testsize.Sizes{Race: 150, Usual: 300}.Now()
	bucket := memory(t)
	for name, src := range redriveSources(t, bucket, n) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				own := memory(t)
				d := &daily{
					bucket: own, src: src, sink: sink.BucketOptions{PartBytes: 1 << 10},
					opts: dmap.Options{MaxConcurrency: 3, Redrive: dmap.Redrive{Max: 9}, CommitEvery: 20 * time.Millisecond},
				}
				d.opts.Tolerance.Percentage, d.opts.Tolerance.MinItems = 10, 20
				for _, modulus := range []int{2, 4, 8} { // the failures, of which half fail again
					d.fails = func(n int) bool { return n%modulus == 1 }
					_, err := d.run(t.Context())
					require.ErrorIs(t, err, dmap.ErrTolerance)
					m := newestManifest(t, own)
					require.Equal(t, m.Stats.Read, m.Stats.Succeeded+m.Stats.Failed+m.Stats.Skipped+m.Stats.Pending)
					all := listed(t, own)
					require.EqualValues(t, m.Stats.Succeeded, len(all["SUCCEEDED"]))
					require.EqualValues(t, m.Stats.Failed, len(all["FAILED"]))
					require.EqualValues(t, m.Stats.Pending, len(all["PENDING"]))
				}
				d.fails = nil
				for range 100 {
					if _, err := suspendSoon(t, d, 25*time.Millisecond); err == nil {
						break
					}
				}
				stats, err := d.run(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, n, stats.Succeeded)
				require.EqualValues(t, n, stats.Read)
				require.Equal(t, 3, stats.Redrives)
				require.Len(t, listed(t, own)["SUCCEEDED"], n)
				require.Len(t, d.calls, n)
				for number, keys := range d.keys {
					require.Len(t, slices.Compact(keys), 1, "the key of %d stays the same", number)
				}
			})
		})
	}
}

// suspendSoon runs d, each call of which takes 10 ms, and suspends it after a while.
func suspendSoon(t *testing.T, d *daily, after time.Duration) (dmap.Stats, error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := time.AfterFunc(after, func() { cancel(dmap.ErrSuspended) })
	defer stop.Stop()
	fails := d.fails
	d.fails = func(n int) bool {
		d.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		d.mu.Lock()
		return fails != nil && fails(n)
	}
	defer func() { d.fails = fails }()
	return d.run(ctx)
}

// ended runs d to a first end with some failures.
func (d *daily) endFailed(t *testing.T) {
	t.Helper()
	_, err := d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrTolerance)
}

func newDaily(t *testing.T, n int) *daily {
	t.Helper()
	list := make([]numbered, n)
	for i := range list {
		list[i].N = i
	}
	return &daily{
		bucket: memory(t), src: func() dmap.Source[numbered] { return source.Slice(list) },
		sink: sink.BucketOptions{PartBytes: 1 << 10}, fails: func(n int) bool { return n%4 == 1 },
		opts: dmap.Options{MaxConcurrency: 4, Redrive: dmap.Redrive{Max: 2}, Tolerance: dmap.Tolerance{Percentage: 10}},
	}
}

func offsets(d *daily) (all []int) {
	for _, info := range d.infos {
		all = append(all, int(info.Offset))
	}
	slices.Sort(all)
	return all
}

func TestARedriveEndsAndMaxLimitsThem(t *testing.T) {
	d := newDaily(t, 100)
	d.opts.Redrive = dmap.Redrive{}
	d.endFailed(t)
	_, err := d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrEnded)
	require.Empty(t, d.infos, "without Redrive the stored end is returned")
	d.opts.Redrive.Max = 2
	for redrive := 1; redrive <= 2; redrive++ {
		d.endFailed(t)
		require.Equal(t, redrive, newestManifest(t, d.bucket).Redrive)
	}
	d.fails = nil
	_, err = d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrEnded)
	require.Empty(t, d.infos, "Max is used up")
	d.opts.Redrive.Max = 3
	_, err = d.run(t.Context())
	require.NoError(t, err)
	require.Len(t, listed(t, d.bucket)["SUCCEEDED"], 100)
}

func TestATrialRunsItsItemsAndLeavesAllOthers(t *testing.T) {
	for _, pending := range []bool{false, true} {
		t.Run(fmt.Sprintf("with pending items %v", pending), func(t *testing.T) {
			d := newDaily(t, 100)
			d.opts.MaxConcurrency = 1
			if pending {
				d.opts.Tolerance.MinItems = 20
			} else {
				d.opts.Tolerance = dmap.Tolerance{Count: 24}
				d.fails = func(n int) bool { return n >= 75 }
			}
			d.endFailed(t)
			before := newestManifest(t, d.bucket)
			was := listed(t, d.bucket)
			require.Equal(t, pending, before.Stats.Pending > 0 || before.Unread != nil)
			d.opts.Redrive, d.opts.Tolerance = dmap.Redrive{Limit: 2}, dmap.Tolerance{}
			failed := d.fails
			d.fails = nil
			for trial := 1; trial <= 2; trial++ {
				stats, err := d.run(t.Context())
				require.Error(t, err, "others still fail, or are pending")
				require.Len(t, d.infos, 2)
				require.Equal(t, before.Stats.Failed-int64(2*trial), stats.Failed)
				require.Equal(t, before.Stats.Succeeded+int64(2*trial), stats.Succeeded)
				require.Equal(t, before.Stats.Pending, stats.Pending)
				require.Equal(t, before.Stats.Read, stats.Read)
				m := newestManifest(t, d.bucket)
				require.Equal(t, before.Status, m.Status)
				require.Equal(t, string(before.Unread), string(m.Unread))
				now := listed(t, d.bucket)
				require.Equal(t, was["PENDING"], now["PENDING"])
				require.Len(t, now["FAILED"], int(stats.Failed))
				require.Len(t, now["SUCCEEDED"], int(stats.Succeeded))
			}
			d.opts.Redrive, d.opts.Tolerance = dmap.Redrive{Max: 1}, dmap.Tolerance{Percentage: 50}
			d.fails = func(n int) bool { return failed(n) && n > 90 }
			stats, err := d.run(t.Context())
			require.NoError(t, err, "trials do not use up Max")
			require.EqualValues(t, 100, stats.Read)
			require.Less(t, stats.Failed, int64(10))
			require.Equal(t, 3, stats.Redrives)
			all := listed(t, d.bucket)
			require.Len(t, all["SUCCEEDED"], int(stats.Succeeded))
			require.Empty(t, all["PENDING"])
		})
	}
}

// A trial that is stopped leaves its own items pending, and those of the redrive before it waiting.
func TestItemsThatARedriveLeavesArePendingForTheNext(t *testing.T) {
	for _, trials := range []int{0, 1, 3} {
		d := newDaily(t, 200)
		d.opts.Tolerance = dmap.Tolerance{Count: 45}
		d.opts.MaxConcurrency = 1
		d.endFailed(t)
		d.opts.Tolerance = dmap.Tolerance{Count: 5}
		d.endFailed(t) // the redrive stops after 6 failures
		m := newestManifest(t, d.bucket)
		require.Greater(t, m.Stats.Pending, int64(30))
		d.opts.Redrive = dmap.Redrive{Limit: 4}
		for range trials {
			d.opts.Tolerance = dmap.Tolerance{Count: 1}
			d.endFailed(t)
			now := newestManifest(t, d.bucket)
			require.Equal(t, m.Stats.Read, now.Stats.Succeeded+now.Stats.Failed+now.Stats.Pending)
			all := listed(t, d.bucket)
			require.Len(t, all["PENDING"], int(now.Stats.Pending))
			require.Len(t, all["FAILED"], int(now.Stats.Failed))
		}
		d.opts.Redrive, d.opts.Tolerance = dmap.Redrive{Max: 2}, dmap.Tolerance{}
		d.fails = nil
		stats, err := d.run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 200, stats.Succeeded)
		require.EqualValues(t, 200, stats.Read)
		require.Len(t, listed(t, d.bucket)["SUCCEEDED"], 200)
	}
}

func TestCanceledRunsAndToleratedFailuresAreRedrivenOnlyWhenAskedFor(t *testing.T) {
	t.Run("tolerated", func(t *testing.T) {
		d := newDaily(t, 100)
		d.opts.Tolerance.Percentage = 50
		_, err := d.run(t.Context())
		require.NoError(t, err)
		d.fails = nil
		_, err = d.run(t.Context())
		require.NoError(t, err)
		require.Empty(t, d.infos)
		d.opts.Redrive.Tolerated = true
		stats, err := d.run(t.Context())
		require.NoError(t, err)
		require.Len(t, d.infos, 25)
		require.EqualValues(t, 100, stats.Succeeded)
	})
	for _, batches := range []int{1, 100} { // with 100 all have succeeded when the run is canceled
		canceled(t, batches)
	}
}

func canceled(t *testing.T, batches int) {
	t.Run(fmt.Sprintf("canceled in batches of %d", batches), func(t *testing.T) {
		d := newDaily(t, 100)
		fails := d.fails
		d.fails = func(n int) bool {
			if n == 50 {
				d.cancel()
			}
			return false
		}
		d.batch = batches
		_, err := d.run(t.Context())
		require.Error(t, err)
		d.fails = fails
		_, err = d.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrEnded)
		require.Empty(t, d.infos)
		d.fails, d.opts.Redrive.Canceled = nil, true
		d.opts.Redrive.Max = 1
		stats, err := d.run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
		require.Len(t, listed(t, d.bucket)["SUCCEEDED"], 100)
	})
}

func TestARedriveTakesWhatItsFieldsChoose(t *testing.T) {
	d := newDaily(t, 100)
	d.fails = func(n int) bool { return n%4 == 1 || n == 99 }
	d.opts.Tolerance, d.opts.MaxConcurrency = dmap.Tolerance{Count: 25}, 1
	d.endFailed(t)
	m := newestManifest(t, d.bucket)
	require.EqualValues(t, 26, m.Stats.Failed)
	d.fails = nil
	var seen []string
	d.opts.Redrive = dmap.Redrive{Max: 1, Classes: []string{"error"}, Glob: "it?m", Match: func(e *dmap.ItemError) bool {
		seen = append(seen, e.Err.Error())
		return e.Offset%8 == 1 && dmap.Class(e.Err) == "error"
	}}
	d.opts.Tolerance = dmap.Tolerance{}
	_, err := d.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrTolerance, "the others still count")
	require.Contains(t, seen, "number 1 fails")
	again := offsets(d)
	require.Equal(t, []int{1, 9, 17, 25, 33, 41, 49, 57, 65, 73, 81, 89, 97}, again)
	all := listed(t, d.bucket)
	require.Len(t, all["FAILED"], 13)
	for _, r := range all["FAILED"] {
		require.NotEqualValues(t, 1, int(r["offset"].(float64))%8)
	}
	content, err := d.bucket.ReadAll(t.Context(), "out/r/redrive-001.json")
	require.NoError(t, err)
	require.Contains(t, string(content), `"match": true`)

	for _, class := range []string{"panic", "timeout"} { // nothing to take: the stored end
		d.opts.Redrive = dmap.Redrive{Max: 5, Classes: []string{class}}
		_, err = d.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrEnded)
		require.Equal(t, 1, newestManifest(t, d.bucket).Redrive)
	}
	for _, match := range []func(*dmap.ItemError) bool{
		func(*dmap.ItemError) bool { panic("no") },
		func(*dmap.ItemError) bool { runtime.Goexit(); return false },
	} {
		d.opts.Redrive = dmap.Redrive{Max: 5, Match: match}
		_, err = d.run(t.Context())
		require.ErrorContains(t, err, "Redrive.Match")
		require.Equal(t, 1, newestManifest(t, d.bucket).Redrive)
	}
}
