package sink_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func twice(_ context.Context, n int) (int, error) { return 2 * n, nil }

// preflight tries a run of numbers with its results in bucket, and reports how long that took.
func preflight(ctx context.Context, t *testing.T, bucket *blob.Bucket, opts dmap.Options, more ...sink.BucketOptions) (dmap.PreflightReport, error) {
	t.Helper()
	began := time.Now()
	report, err := dmap.Preflight(ctx, source.Slice([]int{1, 2, 3}), twice, opts, sink.Bucket[int](bucket, "out", more...))
	t.Logf("%v\n%v", time.Since(began).Round(time.Millisecond), report)
	return report, err
}

// problems are the operations that failed, in order.
func problems(err error) (ops []string) {
	var all interface{ Unwrap() []error }
	if err == nil || !errors.As(err, &all) {
		return nil
	}
	for _, one := range all.Unwrap() {
		var problem *dmap.PreflightError
		if errors.As(one, &problem) {
			ops = append(ops, problem.Check.Op)
		}
	}
	return ops
}

func TestAPreflightOfAGoodBucketFindsNothingAndLeavesNothing(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		for _, runID := range []string{"r", ""} {
			report, err := preflight(t.Context(), t, bucket, dmap.Options{RunID: runID})
			require.NoError(t, err)
			require.Empty(t, keys(t, bucket))
			for _, op := range []string{"look for the run in", "create", "create again", "read back", "list", "delete"} {
				require.Contains(t, report.String(), "ok         sink 0: "+op+" ")
			}
		}
	})
}

func TestAPreflightLeavesNoFolders(t *testing.T) {
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true})
	require.NoError(t, err)
	defer bucket.Close()
	_, err = preflight(t.Context(), t, bucket, dmap.Options{RunID: "r"})
	require.NoError(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A store refuses operations, one by one and together: the preflight names exactly these, and the
// permission that each needs.
func TestAPreflightNamesEveryRefusedOperation(t *testing.T) {
	denied := func(ops ...dmaptest.Op) (faults []dmaptest.Fault) {
		for _, op := range ops {
			faults = append(faults, dmaptest.Fault{Op: op, Sticky: true, Code: gcerrors.PermissionDenied, Err: errors.New("access denied")})
		}
		return faults
	}
	for name, test := range map[string]struct {
		faults []dmaptest.Fault
		want   []string // operations that failed
		texts  []string
		left   int // objects that remain
	}{
		"nothing": {},
		"list":    {denied(dmaptest.OpList), []string{"look for the run in", "list"}, []string{"s3:ListBucket"}, 0},
		"create":  {denied(dmaptest.OpCreate), []string{"create"}, []string{"s3:PutObject"}, 0},
		"close":   {denied(dmaptest.OpClose), []string{"create"}, []string{"s3:PutObject"}, 0},
		"read":    {denied(dmaptest.OpOpen), []string{"look for the run in", "create again", "read back"}, []string{"s3:GetObject"}, 0},
		"delete":  {denied(dmaptest.OpDelete), []string{"delete"}, []string{"s3:DeleteObject", "which remains"}, 1},
		"create and delete": {
			denied(dmaptest.OpCreate, dmaptest.OpDelete), []string{"create", "delete"},
			[]string{"s3:PutObject", "s3:DeleteObject"}, 0,
		},
		"all": {
			denied(dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpOpen, dmaptest.OpDelete), []string{"look for the run in", "create", "list", "delete"},
			[]string{"s3:ListBucket", "s3:PutObject", "s3:DeleteObject", "s3:GetObject"}, 0,
		},
		"the condition": {
			[]dmaptest.Fault{{Op: dmaptest.OpCreate, Sticky: true, Kind: dmaptest.Overwrite}}, []string{"create again"},
			[]string{"the store ignores create-only writes", "If-None-Match", "Express"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := dmaptest.NewFaultBucket(t, memory(t))
			for _, f := range test.faults {
				bucket.Inject(f)
			}
			began := time.Now()
			for range 3 {
				_, err := preflight(t.Context(), t, bucket.Bucket, dmap.Options{RunID: "r"})
				require.Equal(t, test.want, problems(err), "%v", err)
				for _, text := range test.texts {
					require.ErrorContains(t, err, text)
				}
				if err != nil {
					require.Equal(t, 78, dmap.ExitCode(err))
				}
			}
			require.Less(t, time.Since(began), 10*time.Second)
			bucket.Heal()
			require.Len(t, keys(t, bucket.Bucket), test.left)
			_, err := preflight(t.Context(), t, bucket.Bucket, dmap.Options{RunID: "r"})
			require.NoError(t, err)
			require.Empty(t, keys(t, bucket.Bucket), "the next preflight removes what remained")
		})
	}
}

func TestAnExpressRunNeedsNoConditionOfTheStore(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Sticky: true, Kind: dmaptest.Overwrite})
	_, err := preflight(t.Context(), t, bucket.Bucket, dmap.Options{RunID: "r"}, sink.BucketOptions{Express: true})
	require.NoError(t, err)
	require.Empty(t, keys(t, bucket.Bucket))
}

// Each operation hangs: the others are tried all the same, and all takes 10 s, or the time that the
// context gives.
func TestAPreflightOfAStoreThatHangsEnds(t *testing.T) {
	for op, want := range map[dmaptest.Op][]string{
		dmaptest.OpList:   {"look for the run in", "list"},
		dmaptest.OpOpen:   {"look for the run in", "create again", "read back"},
		dmaptest.OpCreate: {"create"},
		dmaptest.OpClose:  {"create"},
		dmaptest.OpDelete: {"delete"},
	} {
		for _, limit := range []time.Duration{0, 2 * time.Second, time.Minute} {
			t.Run(fmt.Sprint(op, limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					if limit > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, limit)
						defer cancel()
					}
					bucket := dmaptest.NewFaultBucket(t, memory(t))
					bucket.Inject(dmaptest.Fault{Op: op, Sticky: true, Kind: dmaptest.Stall})
					began := time.Now()
					_, err := preflight(ctx, t, bucket.Bucket, dmap.Options{RunID: "r"})
					require.LessOrEqual(t, time.Since(began), max(10*time.Second, limit+2*time.Second))
					require.Equal(t, want, problems(err), "%v", err)
					require.ErrorContains(t, err, "no answer within")
					require.ErrorIs(t, err, context.DeadlineExceeded)
				})
			})
		}
	}
}

// Whatever operation the caller's context ends in, nothing remains.
func TestAnInterruptedPreflightLeavesNothing(t *testing.T) {
	interrupt := func(t *testing.T, at int) (calls int) {
		bucket := dmaptest.NewFaultBucket(t, memory(t))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var in dmaptest.Op
		bucket.Watch(func(c dmaptest.Call, ended bool) {
			if ended {
				return
			}
			if calls++; calls == at {
				in = c.Op
				cancel()
			}
		})
		_, err := preflight(ctx, t, bucket.Bucket, dmap.Options{RunID: "r"})
		bucket.Watch(nil)
		require.Empty(t, keys(t, bucket.Bucket), "interrupted at call %d", at)
		if err == nil { // the bucket does not look at its context, so that the last calls succeed
			require.Contains(t, []dmaptest.Op{"", dmaptest.OpList, dmaptest.OpDelete}, in)
		}
		return calls
	}
	all := interrupt(t, 0)
	require.Greater(t, all, 10)
	for at := 1; at <= all; at++ {
		interrupt(t, at)
	}
}

func TestTheNextPreflightAndCleanRemoveWhatAKillLeft(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		const left = "out/r/.dmap-preflight-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		require.NoError(t, bucket.WriteAll(t.Context(), left, []byte("{}"), nil))
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/.dmap-preflight-of-a-user", []byte("{}"), nil))
		report, err := preflight(t.Context(), t, bucket, dmap.Options{RunID: "r"})
		require.NoError(t, err)
		require.Contains(t, report.String(), "removed 1 objects of earlier preflights")
		require.Equal(t, []string{"out/r/.dmap-preflight-of-a-user"}, keys(t, bucket))
	})
}

// A preflight tells what the same call would do with the run, and changes nothing.
func TestAPreflightTellsTheStateOfTheRun(t *testing.T) {
	ctx := t.Context()
	run := func(bucket *blob.Bucket, opts dmap.Options, fn func(context.Context, int) (int, error)) error {
		_, err := dmap.Map(ctx, source.Slice([]int{1, 2, 3}), fn, opts, sink.Bucket[int](bucket, "out"))
		return err
	}
	fails := func(context.Context, int) (int, error) { return 0, errors.New("bad") }
	opts := dmap.Options{RunID: "r", Version: "1"}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, bucket *blob.Bucket)
		opts    dmap.Options
		more    sink.BucketOptions
		found   string
		want    error
		exit    int
	}{
		"none": {func(*testing.T, *blob.Bucket) {}, opts, sink.BucketOptions{}, "there is none: the call begins it", nil, 0},
		"succeeded": {func(t *testing.T, b *blob.Bucket) {
			require.NoError(t, run(b, opts, twice))
		}, opts, sink.BucketOptions{}, "the run has ended: SUCCEEDED: the call runs nothing", nil, 0},
		"failed": {func(t *testing.T, b *blob.Bucket) {
			require.Error(t, run(b, opts, fails))
		}, opts, sink.BucketOptions{}, "the run has ended", dmap.ErrTolerance, 1},
		"failed and redriven": {func(t *testing.T, b *blob.Bucket) {
			require.Error(t, run(b, opts, fails))
		}, dmap.Options{RunID: "r", Version: "2", Redrive: dmap.Redrive{Max: 1}}, sink.BucketOptions{}, "FAILED: the call redrives it", nil, 0},
		"open": {func(t *testing.T, b *blob.Bucket) { interruptRun(t, b, opts) }, opts, sink.BucketOptions{}, "the run is open, with ", nil, 0},
		"open with another version": {func(t *testing.T, b *blob.Bucket) {
			interruptRun(t, b, opts)
		}, dmap.Options{RunID: "r", Version: "2"}, sink.BucketOptions{}, "", dmap.ErrSpecChanged, 78},
		"open with other records": {func(t *testing.T, b *blob.Bucket) {
			interruptRun(t, b, opts)
		}, opts, sink.BucketOptions{Records: sink.Compact}, "", dmap.ErrSpecChanged, 78},
		"express": {func(t *testing.T, b *blob.Bucket) {
			require.NoError(t, run(b, opts, twice))
		}, opts, sink.BucketOptions{Express: true}, "", sink.ErrRunExists, 78},
		"without run.json": {func(t *testing.T, b *blob.Bucket) {
			interruptRun(t, b, opts)
			require.NoError(t, b.Delete(t.Context(), "out/r/run.json"))
		}, opts, sink.BucketOptions{}, "", nil, 78},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			test.prepare(t, bucket)
			before := contents(t, bucket)
			report, err := preflight(ctx, t, bucket, test.opts, test.more)
			require.Equal(t, test.exit, dmap.ExitCode(err), "%v", err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			if test.exit == 0 {
				require.Contains(t, report.String(), test.found)
			}
			require.Equal(t, before, contents(t, bucket), "nothing has changed")
			_, runErr := dmap.Map(ctx, source.Slice([]int{1, 2, 3}), twice, test.opts, sink.Bucket[int](bucket, "out", test.more))
			require.Equal(t, test.exit, dmap.ExitCode(runErr), "the call ends as the preflight said: %v", runErr)
		})
	}
}

// interruptRun leaves a run open.
func interruptRun(t *testing.T, bucket *blob.Bucket, opts dmap.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	opts.MaxConcurrency = 1
	_, err := dmap.Map(ctx, source.Slice([]int{1, 2, 3}), func(_ context.Context, n int) (int, error) {
		if n == 2 {
			cancel()
		}
		return n, ctx.Err()
	}, opts, sink.Bucket[int](bucket, "out"))
	require.ErrorIs(t, err, dmap.ErrOpen)
}

// contents are all objects.
func contents(t *testing.T, bucket *blob.Bucket) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, key := range keys(t, bucket) {
		content, err := bucket.ReadAll(t.Context(), key)
		require.NoError(t, err)
		all[key] = string(content)
	}
	return all
}

func TestAPreflightOfAFolderWithoutPermissions(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	for mode, want := range map[os.FileMode][]string{
		0o700: nil,
		0o500: {"create"},
		0o300: {"list"},
		0o400: {"look for the run in", "create", "delete"},
	} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := t.TempDir()
			bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true})
			require.NoError(t, err)
			defer bucket.Close()
			folder := filepath.Join(dir, "out", "r")
			require.NoError(t, os.MkdirAll(folder, 0o700))
			require.NoError(t, os.Chmod(folder, mode))
			_, err = preflight(t.Context(), t, bucket, dmap.Options{RunID: "r"})
			require.NoError(t, os.Chmod(folder, 0o700))
			require.Equal(t, want, problems(err), "%v", err)
			if want != nil {
				require.ErrorContains(t, err, "allow this user to ")
				require.Equal(t, 78, dmap.ExitCode(err))
			}
			require.Empty(t, keys(t, bucket))
		})
	}
}

// Sinks over one bucket and over several are tried apart, and wrong arguments do not prevent it.
func TestAPreflightReportsAllProblemsAtOnce(t *testing.T) {
	ctx := t.Context()
	broken := dmaptest.NewFaultBucket(t, memory(t))
	broken.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Sticky: true, Code: gcerrors.PermissionDenied})
	_, err := dmap.Preflight(ctx, source.Slice([]int{1}), (func(context.Context, int) (int, error))(nil),
		dmap.Options{RunID: "a b", MaxConcurrency: -1, Retry: dmap.Retry{Factor: 0.5}},
		sink.Bucket[int](nil, "out"), sink.Bucket[int](broken.Bucket, "out"), &sink.Memory[int]{}, sink.Bucket[int](memory(t), "out/../x"))
	for _, text := range []string{
		"RunID", "MaxConcurrency -1", "Retry.Factor", "the function is nil", "sink 0: sink: bucket is nil", "preflight: sink 1: ", "sink 3: ",
	} {
		require.ErrorContains(t, err, text)
	}
	require.Equal(t, 6, strings.Count(err.Error(), "preflight: call: "), "%v", err)
}

func ExampleBucketSink_Preflight() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	report, err := dmap.Preflight(ctx, source.Slice([]int{1, 2, 3}), twice, dmap.Options{RunID: "monday"}, sink.Bucket[int](bucket, "runs"))
	if err != nil {
		fmt.Println(err)
	}
	for _, c := range report.Checks {
		fmt.Printf("%s: %s: %v\n", c.Part, c.Op, c.Err == nil)
	}
	// Output:
	// call: options: true
	// call: function: true
	// call: source: true
	// call: sink 0: true
	// source: read: true
	// sink 0: look for the run in: true
	// sink 0: create: true
	// sink 0: create again: true
	// sink 0: read back: true
	// sink 0: list: true
	// sink 0: delete: true
}
