package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

var golden = flag.String("write-golden", "", "a new folder to write the golden runs of this version to, such as testdata/golden-v2")

// upload copies a golden folder into a bucket.
func upload(t *testing.T, bucket *blob.Bucket, dir string) {
	t.Helper()
	root := os.DirFS(dir)
	require.NoError(t, fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		return bucket.WriteAll(t.Context(), path, content, nil)
	}))
}

// This version resumes the folders that any earlier version wrote.
func TestGoldenFoldersAreResumed(t *testing.T) {
	versions, err := filepath.Glob("testdata/golden-v*")
	require.NoError(t, err)
	require.NotEmpty(t, versions)
	for _, dir := range versions {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			exact := exact
			if filepath.Base(dir) == "golden-v1" { // it has no groups of failures
				exact = exactRecords
			}
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				bucket := memory(t)
				upload(t, bucket, filepath.Join(dir, "open"))
				stats, err := job(t.Context(), bucket, 200, &calls)
				require.NoError(t, err)
				require.EqualValues(t, 200, stats.Read)
				require.Positive(t, calls.Load())
				require.Less(t, calls.Load(), int64(120), "what has been settled is not called again")
				exact(t, bucket, 200)
			})
			bucket, calls := memory(t), atomic.Int64{}
			upload(t, bucket, filepath.Join(dir, "ended"))
			stats, err := job(t.Context(), bucket, 20, &calls)
			require.NoError(t, err)
			require.EqualValues(t, 20, stats.Read)
			require.Zero(t, calls.Load())
			exact(t, bucket, 20)
		})
	}
}

// strictly decodes text into v and refuses fields that the format does not have.
func strictly(t *testing.T, key, text string, v any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(v), "%s: %s", key, text)
}

// What the sink writes is what docs/format.md specifies: its test compares the document with these
// structs.
func TestGoldenFoldersHaveTheFieldsOfTheFormat(t *testing.T) {
	kinds := map[string]int{}
	for _, name := range []string{
		"golden-v1/open", "golden-v1/ended", "golden-v1/canceled", "golden-v1/held",
		"golden-v2/open", "golden-v2/ended", "golden-v2/held", "golden-v2/redriven", "golden-v2/edited",
	} {
		bucket := memory(t)
		upload(t, bucket, filepath.Join("testdata", name))
		for _, key := range keys(t, bucket) {
			text, file := read(t, bucket, key), strings.TrimPrefix(key, "out/r/")
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			switch {
			case file == runfolder.RunFileName:
				strictly(t, key, text, new(runfolder.RunFile))
			case strings.HasPrefix(file, "redrive-"):
				strictly(t, key, text, new(runfolder.RedriveFile))
			case strings.HasPrefix(file, "manifest-"):
				strictly(t, key, text, new(runfolder.Manifest))
			case strings.HasPrefix(file, runfolder.CommitsFolder):
				var record runfolder.CommitRecord
				require.Len(t, lines, 2, key)
				strictly(t, key, lines[0], new(runfolder.CommitHeader))
				strictly(t, key, lines[1], &record)
				for _, state := range record.States["0"] {
					strictly(t, key, string(state), new(runfolder.BucketState))
				}
			case strings.HasPrefix(file, runfolder.DecisionsFolder):
				strictly(t, key, text, new(runfolder.DecisionFile))
			case strings.HasPrefix(file, "GROUPS_"):
				for _, line := range lines {
					strictly(t, key, line, new(runfolder.FailureGroup))
				}
			default:
				require.True(t, runfolder.IsPart(file) || runfolder.IsTaken(file), key)
				for _, line := range lines {
					strictly(t, key, line, new(runfolder.Record))
				}
			}
			kinds[file[:3]]++
		}
	}
	for _, kind := range []string{"run", "man", "com", "SUC", "FAI", "PEN", "HEL", "TAK", "GRO", "red", "dec"} {
		require.Positive(t, kinds[kind], kind)
	}
}

// Readers of this version read the results of a canceled run of any earlier version.
func TestGoldenFoldersOfCanceledRunsAreRead(t *testing.T) {
	bucket := memory(t)
	upload(t, bucket, "testdata/golden-v1/canceled")
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	require.Equal(t, results.Canceled, m.Status)
	require.Len(t, collect(t, results.Successes[int](t.Context(), bucket, m)), int(m.Stats.Succeeded))
	pending := collect(t, results.Pending(t.Context(), bucket, m))
	require.Len(t, pending, int(m.Stats.Pending))
	for _, p := range pending {
		require.Equal(t, dmap.Cursor{Offset: p.Offset}, p.Start)
		require.Equal(t, dmap.Cursor{Offset: p.Offset + 1}, p.Next)
	}
}

// holdAndDecide leaves a run of 20 numbers with held items, and with decided ones that have not
// settled.
func holdAndDecide(t *testing.T, bucket *blob.Bucket) *approvals {
	t.Helper()
	a := &approvals{bucket: bucket, src: zeroTo(20), holds: undecided(fives), opts: dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 1}}}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	a.approve(t, item(5), item(10))
	a.reject(t, item(0))
	why := errors.New("deploy")
	ctx, cancel := context.WithCancelCause(t.Context())
	opts := a.opts
	opts.RunID = "r"
	_, err = dmap.Map(ctx, a.src, func(ctx context.Context, n int) (int, error) {
		if n == 10 {
			cancel(why)
			<-ctx.Done()
		}
		return 2 * n, ctx.Err()
	}, opts, sink.Bucket[int](bucket, "out"))
	require.ErrorIs(t, err, why)
	return a
}

// This version continues runs with held and decided items of any earlier version.
func TestGoldenFoldersOfHeldRunsContinue(t *testing.T) {
	for _, dir := range []string{"testdata/golden-v1/held", "testdata/golden-v2/held"} {
		t.Run(dir, func(t *testing.T) { continueHeld(t, dir) })
	}
}

func continueHeld(t *testing.T, dir string) {
	a := &approvals{bucket: memory(t), src: zeroTo(20), holds: undecided(fives), opts: dmap.Options{Tolerance: dmap.Tolerance{Count: 1}}}
	upload(t, a.bucket, dir)
	outcomes := a.outcomes(t)
	require.Len(t, outcomes, 20)
	require.Equal(t, "pending", outcomes[item(10)])
	require.Equal(t, "held", outcomes[item(15)])
	require.Equal(t, "rejected", outcomes[item(0)])
	a.approve(t, item(15))
	stats, err := a.run(t)
	require.NoError(t, err)
	require.EqualValues(t, 19, stats.Succeeded)
	require.Len(t, a.calls, 2, "nothing but the decided items")
	require.Len(t, a.outcomes(t), 20)
	require.Equal(t, "alice", a.calls[10][0].By)
}

// redriveGroup leaves a run of 20 numbers that was redriven by group.
func redriveGroup(t *testing.T, bucket *blob.Bucket) {
	t.Helper()
	call := func(i int) (any, error) {
		if i%5 == 0 {
			return nil, errors.New([]string{"no rate", "no customer"}[i%2])
		}
		return i, nil
	}
	_, err := many(t.Context(), bucket, 20, tolerant, call)
	require.NoError(t, err)
	opts := dmap.Options{Tolerance: tolerant.Tolerance, Redrive: dmap.Redrive{Max: 1, Tolerated: true, Groups: []string{requireGrouped(t, bucket)[0].ID}}}
	_, err = many(t.Context(), bucket, 20, opts, func(i int) (any, error) { return i, nil })
	require.NoError(t, err)
}

// This version reads the groups of a redriven run of any earlier version.
func TestGoldenFoldersOfRedrivenRunsAreRead(t *testing.T) {
	bucket := memory(t)
	upload(t, bucket, "testdata/golden-v2/redriven")
	groups := requireGrouped(t, bucket)
	require.Len(t, groups, 1)
	require.Equal(t, "no customer", groups[0].Message)
}

// editAndEnd leaves a run of 20 numbers whose settings were edited.
func editAndEnd(t *testing.T, bucket *blob.Bucket) {
	t.Helper()
	run, err := dmap.Start(t.Context(), upTo(20), second, dmap.Options{RunID: "r", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 5}},
		sink.Bucket[int](bucket, "out"))
	require.NoError(t, err)
	time.Sleep(1500 * time.Millisecond)
	require.NoError(t, run.SetMaxConcurrency(3))
	require.NoError(t, run.SetTolerance(dmap.Tolerance{Percentage: 2.5, MinItems: 10}))
	_, err = run.Wait()
	require.NoError(t, err)
}

func second(_ context.Context, i int) (int, error) {
	time.Sleep(time.Second)
	return 2 * i, nil
}

// This version reads the edits of a run of any earlier version.
func TestGoldenFoldersOfEditedRunsAreRead(t *testing.T) {
	bucket := memory(t)
	upload(t, bucket, "testdata/golden-v2/edited")
	r := load(t, bucket)
	require.Equal(t, []string{"MaxConcurrency 3", "Tolerance 2.5 % from 10 items on"}, settings(r))
	require.Equal(t, &dmap.Tolerance{Percentage: 2.5, MinItems: 10}, r.Tolerance)
	upload(t, bucket, "testdata/golden-v2/ended") // of a version that does not keep them
	r = load(t, bucket)
	require.Empty(t, r.Edits)
	require.Nil(t, r.Tolerance)
}

func TestWriteGoldenFolders(t *testing.T) {
	if *golden == "" {
		t.Skip("go test ./sink -run Golden -write-golden=testdata/golden-vN")
	}
	synctest.Test(t, func(t *testing.T) {
		open, ended, held, redriven, edited := memory(t), memory(t), memory(t), memory(t), memory(t)
		editAndEnd(t, edited)
		var calls atomic.Int64
		for range 4 {
			suspended(t, open, 200)
		}
		_, err := job(t.Context(), ended, 20, &calls, sink.BucketOptions{})
		require.NoError(t, err)
		holdAndDecide(t, held)
		redriveGroup(t, redriven)
		for name, bucket := range map[string]*blob.Bucket{"open": open, "ended": ended, "held": held, "redriven": redriven, "edited": edited} {
			for _, key := range keys(t, bucket) {
				path := filepath.Join(*golden, name, filepath.FromSlash(key))
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoFileExists(t, path)
				require.NoError(t, os.WriteFile(path, []byte(read(t, bucket, key)), 0o644))
			}
		}
	})
}
