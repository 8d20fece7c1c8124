package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// crashJob is the configuration of a child process. It squares the numbers below N, in a run that
// other processes may have started.
type crashJob struct {
	Place       string // of the bucket: a URL or a folder
	Kind        string // kind of the source, see crashSource
	Batch       int    // items of a batch; 0: Map
	N           int
	RunID       string
	Concurrency int
	Pace        time.Duration // duration of a call; a batch takes ten times as long
	CommitEvery time.Duration
	Waits       time.Duration // the wait that some items ask for at their first attempt; 0: none does
	Log         string        // file to which all processes of the run append
	Process     int           // number of this process in the run
	ExitAt      int           // exit at this call to the bucket, from 1; 0: never
	Race        bool          // another process executes the same run: wait for a byte on stdin before the start
}

const crashEnv = "DMAP_E2E_CRASH"

// Exit codes of a child.
const (
	exitFenced = 4
	exitAtStep = 5 // because of ExitAt
)

// fails and skips define the outcome of a number.
func fails(n int) bool { return n%101 == 7 }
func skips(n int) bool { return n%211 == 11 }

// waits defines which numbers are refused at their first attempt in each process of a job that
// Waits.
func waits(n int) bool { return n%50 == 3 }

var (
	errUnlucky = errors.New("an unlucky number")
	errBusy    = errors.New("too many requests")
)

// crashSource returns a source of the given kind. All kinds yield the same numbers, which
// writeCrashInput writes.
func crashSource(b *blob.Bucket, kind string, n int) dmap.Source[number] {
	store := featuresOf(b)
	listed := source.ObjectsOptions{Store: store}
	switch kind {
	case "slice":
		all := make([]number, n)
		for i := range all {
			all[i].N = i
		}
		return source.Slice(all)
	case "seq":
		return source.Seq(func(yield func(number) bool) {
			for i := range n {
				if !yield(number{i}) {
					return
				}
			}
		})
	case "csv":
		return source.CSV(b, "numbers.csv", source.Into[number], source.CSVOptions{Store: store})
	case "jsonlines":
		return source.JSONLines(b, "numbers.jsonl", source.JSONLinesOptions[number]{Store: store})
	case "flatten":
		return source.Flatten(source.Objects(b, "lines/", listed), func(o source.Object) dmap.Source[number] { return source.JSONLinesOf[number](o) })
	default:
		return source.Transform(source.Objects(b, "data/", listed), func(_ context.Context, o source.Object) (number, error) {
			var in number
			_, err := fmt.Sscanf(path.Base(o.Key), "%d.json", &in.N)
			return in, err
		})
	}
}

// crashItems returns the number of items of a source of the kind, for n numbers.
func crashItems(kind string, n int) int {
	if kind == "objects" {
		return n / 5 // fewer, because each item is an object
	}
	return n
}

func crashKinds() []string { return []string{"slice", "seq", "csv", "jsonlines", "flatten", "objects"} }

// writeCrashInput writes the numbers below n in every form that crashSource reads.
func writeCrashInput(t *testing.T, b *blob.Bucket, n int) {
	t.Helper()
	writeCrashRows(t, b, n)
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "{\"n\":%d,\"comment\":%q}\n", i, strings.Repeat("x", i%13))
		if i%97 == 96 || i == n-1 {
			put(t, b, map[string]string{fmt.Sprintf("lines/%06d.jsonl", i): lines.String()})
			lines.Reset()
		}
	}
	for i := range n {
		fmt.Fprintf(&lines, "{\"n\":%d}\n", i)
	}
	put(t, b, map[string]string{"numbers.jsonl": lines.String()})
	for i := range crashItems("objects", n) {
		put(t, b, map[string]string{fmt.Sprintf("data/%06d.json", i): "{}"})
	}
}

// writeCrashRows writes the numbers below n as CSV.
func writeCrashRows(t *testing.T, b *blob.Bucket, n int) {
	t.Helper()
	var csv strings.Builder
	csv.WriteString("N,Comment\n")
	for i := range n {
		fmt.Fprintf(&csv, "%d,%q\n", i, strings.Repeat("x", i%17))
	}
	put(t, b, map[string]string{"numbers.csv": csv.String()})
}

// openPlace opens a bucket by its URL or folder.
func openPlace(ctx context.Context, place string) (*blob.Bucket, error) {
	switch scheme, _, _ := strings.Cut(place, "://"); scheme {
	case "s3":
		return blob.OpenBucket(ctx, place)
	case "gs":
		return openGCS(ctx, place)
	case "azblob":
		return openAzure(ctx, place)
	}
	return fileblob.OpenBucket(place, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
}

// crashSink is the tested sink. It logs each barrier and each commit.
type crashSink struct {
	*sink.BucketSink[squared]
	note func(format string, args ...any)
}

func (s crashSink) Barrier() {
	s.note("barrier")
	s.BucketSink.Barrier()
}

func (s crashSink) OpenJournal(ctx context.Context, spec dmap.RunSpec, same func(context.Context, *journal.Progress) error) (journal.Log, journal.Progress, *dmap.Ending, error) {
	log, p, ended, err := s.BucketSink.OpenJournal(ctx, spec, same)
	if log != nil {
		log = crashLog{log, s.note}
	}
	return log, p, ended, err
}

type crashLog struct {
	journal.Log
	note func(format string, args ...any)
}

func (l crashLog) Append(ctx context.Context, c journal.Commit) error {
	err := l.Log.Append(ctx, c)
	if err == nil {
		l.note("commit %d settles %d", c.Number, len(c.Settled))
	}
	return err
}

// runCrashJob is the main function of the child process. Its log survives a kill: each line is one
// write to a file opened with O_APPEND.
func runCrashJob(t *testing.T, text string) {
	var job crashJob
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	log, err := os.OpenFile(job.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	note := func(format string, args ...any) {
		if _, err := log.WriteString(fmt.Sprintf("%d ", job.Process) + fmt.Sprintf(format, args...) + "\n"); err != nil {
			panic(err)
		}
		if !strings.HasPrefix(format, "call") {
			fmt.Printf("step %s\n", format) // the parent may kill this process now
		}
	}
	inner, err := openPlace(t.Context(), job.Place)
	require.NoError(t, err)
	defer func() { require.NoError(t, inner.Close()) }()
	faults := dmaptest.NewFaultBucket(t, inner)
	var steps atomic.Int64
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if !strings.HasPrefix(c.Key, "runs/") {
			return
		}
		if job.ExitAt > 0 && steps.Add(1) == int64(job.ExitAt) {
			os.Exit(exitAtStep)
		}
		if ended && c.Op == dmaptest.OpClose {
			fmt.Printf("step wrote\n")
		}
	})
	written := faults.Bucket
	if strings.HasPrefix(job.Place, "azblob://") {
		written = inner // azureblob panics if a write by its Writer fails, and FaultBucket writes by it
	}
	results := crashSink{sink.Bucket[squared](written, "runs", sink.BucketOptions{PartBytes: 64 << 10}), note}
	if job.Race {
		fmt.Println("ready")
		_, _ = io.ReadFull(os.Stdin, make([]byte, 1))
	}
	stats, err := job.run(t.Context(), inner, note, results)
	if errors.Is(err, dmap.ErrFenced) {
		os.Exit(exitFenced)
	}
	require.NoError(t, err)
	fmt.Printf("stats %+v\n", stats)
}

func (job crashJob) run(ctx context.Context, in *blob.Bucket, note func(string, ...any), results dmap.Sink[squared]) (dmap.Stats, error) {
	opts := dmap.Options{
		PoisonAfter: -1, // the kills are not caused by items
		RunID:       job.RunID, MaxConcurrency: job.Concurrency, CommitEvery: job.CommitEvery, Tolerance: dmap.Tolerance{Percentage: 50},
		Retry: dmap.Retry{MaxAttempts: 2, Retryable: func(err error) bool { return errors.Is(err, errBusy) }},
	}
	src := crashSource(in, job.Kind, job.N)
	if job.Batch == 0 {
		return dmap.Map(ctx, src, func(ctx context.Context, in number) (squared, error) {
			note("call %d", in.N)
			out, err := squareSlowly(ctx, in, job.Pace)
			if job.refuses(ctx, in) {
				note("call waits %d", in.N)
				return squared{}, dmap.RetryAfter(errBusy, job.Waits)
			}
			return out, err
		}, opts, results)
	}
	return dmap.MapBatch(ctx, src, batch.Limits{Items: job.Batch}, func(ctx context.Context, items []dmap.Item[number]) ([]squared, error) {
		var called strings.Builder
		for _, item := range items {
			fmt.Fprintf(&called, " %d", item.Value.N)
		}
		note("call%s", called.String())
		out, failed, waiting := make([]squared, len(items)), batch.Errors{}, ""
		for i, item := range items {
			var err error
			if out[i], err = squareSlowly(ctx, item.Value, job.Pace*10/time.Duration(len(items))); err != nil {
				failed[i] = err
			}
			if job.refuses(ctx, item.Value) {
				failed[i] = dmap.RetryAfter(errBusy, job.Waits)
				waiting += fmt.Sprintf(" %d", item.Value.N)
			}
		}
		if waiting != "" {
			note("call waits%s", waiting)
		}
		return out, failed.Err()
	}, opts, results)
}

// refuses reports whether this call must be repeated later.
func (job crashJob) refuses(ctx context.Context, in number) bool {
	info, _ := dmap.InfoFrom(ctx)
	return job.Waits > 0 && info.Attempt == 1 && waits(in.N) && ctx.Err() == nil
}

// squareSlowly takes pace on average.
func squareSlowly(ctx context.Context, in number, pace time.Duration) (squared, error) {
	if pace > 0 {
		select {
		case <-time.After(pace/2 + rand.N(pace)):
		case <-ctx.Done():
			return squared{}, context.Cause(ctx)
		}
	}
	switch {
	case skips(in.N):
		return squared{}, dmap.ErrSkip
	case fails(in.N):
		return squared{}, errUnlucky
	default:
		return squared{in.N, in.N * in.N}, nil
	}
}
