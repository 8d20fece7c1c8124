//go:build unix

package dmaptemporal_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// crashJob squares the numbers below Items.
type crashJob struct {
	RunID string // also the task queue
	Kind  string // of the source
	Items int
	Pace  time.Duration // of a call, at least
	Again bool          // half of the numbers fail, except in a redrive
	Ends  int           // number of the redrive that ends the run; 0: it has none
}

type (
	number  struct{ N int }
	squared struct{ N, Square int }
)

// unlucky says which numbers fail.
func unlucky(n int) bool { return n%1009 == 7 }

// fails says which numbers fail for now.
func (j crashJob) fails(n int) bool { return j.Again && n%2 == 1 || unlucky(n) }

// crashKinds are sources of which one is cut by computation, one by reading, and one at objects.
func crashKinds() []string { return []string{"jsonlines", "csv", "flatten"} }

const linesAnObject = 20_000

func (j crashJob) input() string { return fmt.Sprintf("in/%s-%d", j.Kind, j.Items) }

func (j crashJob) source(b *blob.Bucket) dmap.Source[number] {
	switch j.Kind {
	case "csv":
		return source.CSV(b, j.input(), source.Into[number])
	case "flatten":
		return source.Flatten(source.Objects(b, j.input()+"/"), func(o source.Object) dmap.Source[number] { return source.JSONLinesOf[number](o) })
	default:
		return source.JSONLines[number](b, j.input())
	}
}

// manifest is the key of the end of the run.
func (j crashJob) manifest() string {
	return fmt.Sprintf("runs/%s/manifest-%03d.json", j.RunID, j.Ends)
}

// build makes the job as each process has it. calls counts the calls of each item.
func (j crashJob) build(b *blob.Bucket, calls []uint32) dmaptemporal.Job[number, squared] {
	return dmaptemporal.Job[number, squared]{
		Source: j.source(b), Sink: sink.Bucket[squared](b, "runs"),
		Options: dmap.Options{CommitEvery: crashCommits, PoisonAfter: -1}, // no item kills a process
		Call: func(ctx context.Context, in number) (squared, error) {
			atomic.AddUint32(&calls[in.N], 1)
			select {
			case <-time.After(j.Pace):
			case <-ctx.Done():
				return squared{}, context.Cause(ctx)
			}
			if info, _ := dmap.InfoFrom(ctx); unlucky(in.N) || info.Redrive == 0 && j.fails(in.N) {
				return squared{}, errUnlucky
			}
			return squared{in.N, in.N * in.N}, nil
		},
	}
}

// crashMap is the definition of the job in every process; the one that only starts runs never
// builds it.
func crashMap(build func() dmaptemporal.Job[number, squared]) dmaptemporal.Map[crashJob] {
	return dmaptemporal.Define("crash/v1", func(context.Context, crashJob) (dmaptemporal.Job[number, squared], error) { return build(), nil })
}

// writeCrashInput writes the source of a job, unless it is there.
func writeCrashInput(t *testing.T, b *blob.Bucket, j crashJob) {
	t.Helper()
	step, name := j.Items, func(int) string { return j.input() }
	if j.Kind == "flatten" {
		step, name = linesAnObject, func(i int) string { return fmt.Sprintf("%s/%09d.jsonl", j.input(), i) }
	}
	for from := 0; from < j.Items; from += step {
		there, err := b.Exists(t.Context(), name(from))
		require.NoError(t, err)
		if there {
			continue
		}
		file, err := b.NewWriter(t.Context(), name(from), nil)
		require.NoError(t, err)
		w := bufio.NewWriterSize(file, 1<<20)
		form := "{\"N\":%d}\n"
		if j.Kind == "csv" {
			form = "%d\n"
			_, _ = w.WriteString("N\n")
		}
		for i := from; i < min(from+step, j.Items); i++ {
			_, _ = fmt.Fprintf(w, form, i)
		}
		require.NoError(t, w.Flush())
		require.NoError(t, file.Close())
	}
}

// openCalls maps a file of a counter for each item. All processes share the memory, which survives
// their end.
func openCalls(t *testing.T, name string, items int) []uint32 {
	t.Helper()
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	require.NoError(t, file.Truncate(int64(4*items)))
	memory, err := syscall.Mmap(int(file.Fd()), 0, 4*items, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	require.NoError(t, err)
	return unsafe.Slice((*uint32)(unsafe.Pointer(&memory[0])), items)
}
