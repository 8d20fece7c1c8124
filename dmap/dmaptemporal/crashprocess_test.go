//go:build unix

package dmaptemporal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/dmap/dmaptest"
)

// crashEnv has the crashProcess of a process, in JSON.
const crashEnv = "DMAP_CLUSTER_PROCESS"

// crashProcess is one life of a process of the programme.
type crashProcess struct {
	Name   string // such as w1.2
	Server string // address of Temporal; empty: the process runs dmap.Map
	Place  string // of the bucket
	Job    crashJob
	Events string // file to which all processes of the run append
	Calls  string // file of a counter for each item
	Fault  crashFault
}

// crashFault kills the first process that comes to it. The zero one never happens.
type crashFault struct {
	Activity string
	At       int  // number of an operation of the bucket, or one of the following
	Stops    bool // the process stops until it gets SIGCONT
}

const (
	atStart = 0
	atEnd   = -1 // the work is done, and the server does not know it
)

// witness notes what its process does, and kills it.
type witness struct {
	crashProcess
	events *os.File

	calls, peak atomic.Int64 // in flight; the most of them

	mu         sync.Mutex
	running    int // activities of the fault
	operations int // in them
}

// note appends an event by one write, which survives a kill.
func (w *witness) note(what, activity string, lease int64, attempt, n int) {
	line := fmt.Sprintf("%d %s %s %s %d %d %d\n", time.Now().UnixNano(), w.Name, what, activity, lease, attempt, n)
	if _, err := w.events.WriteString(line); err != nil {
		panic(err)
	}
}

// die kills or stops this process, unless another one has come to the fault.
func (w *witness) die() {
	mark, err := os.OpenFile(w.Events+".fault", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_ = mark.Close()
	what := "dies"
	if w.Fault.Stops {
		what = "stops"
	}
	w.note(what, w.Fault.Activity, 0, 0, w.Fault.At)
	if w.Fault.Stops {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// watch sees each call to the bucket.
func (w *witness) watch(c dmaptest.Call, ended bool) {
	_, lane, isLane := strings.Cut(c.Key, "/lanes/")
	if isLane && ended && c.Op == dmaptest.OpClose && c.Err == nil {
		var reversed, lease, n int64
		var attempt int
		if _, err := fmt.Sscanf(lane, "%d-%d-%d/%d-%d", &reversed, &lease, &attempt, &reversed, &n); err == nil {
			w.note("commit", "lane", lease, attempt, int(n))
		}
	}
	if _, record, ok := strings.Cut(c.Key, "/commits/"); ok && ended && c.Op == dmaptest.OpClose && c.Err == nil && w.Server == "" {
		var reversed, n int
		if _, err := fmt.Sscanf(record, "%d-%d", &reversed, &n); err == nil {
			w.note("commit", "root", -1, 1, n)
		}
	}
	if w.Fault.At > 0 && !ended && !isLane && !strings.Contains(c.Key, "SUCCEEDED_") && !strings.Contains(c.Key, "FAILED_") {
		w.step()
	}
}

// step counts an operation of the activity of the fault.
func (w *witness) step() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == 0 {
		return
	}
	if w.operations++; w.operations == w.Fault.At {
		w.die()
	}
}

func (w *witness) enter(name string, by int) {
	if name != w.Fault.Activity {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running += by
	if by > 0 && w.Fault.At == atStart || by < 0 && w.Fault.At == atEnd {
		w.die()
	}
}

// warnings is a logger of warnings and errors.
type warnings struct{ *witness }

func (warnings) Debug(string, ...any) {}
func (warnings) Info(string, ...any)  {}
func (w warnings) Warn(text string, fields ...any) {
	fmt.Fprintln(os.Stderr, append([]any{time.Now().UnixNano(), w.Name, text}, fields...)...)
}
func (w warnings) Error(text string, fields ...any) { w.Warn(text, fields...) }

// interceptors see the activities and the workflow of a worker.
type (
	interceptors struct {
		interceptor.InterceptorBase
		*witness
	}
	activities struct {
		interceptor.ActivityInboundInterceptorBase
		*witness
	}
	workflows struct {
		interceptor.WorkflowInboundInterceptorBase
		*witness
	}
)

func (i *interceptors) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	a := &activities{witness: i.witness}
	a.Next = next
	return a
}

func (i *interceptors) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	w := &workflows{witness: i.witness}
	w.Next = next
	return w
}

func (a *activities) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	name := activity.GetInfo(ctx).ActivityType.Name
	var call struct {
		Lease struct {
			Lease   int64
			Attempt int
		}
	}
	if name == leaseActivity && len(in.Args) > 0 {
		if text, err := json.Marshal(in.Args[0]); err == nil {
			_ = json.Unmarshal(text, &call)
		}
	}
	l := call.Lease
	a.note("start", name, l.Lease, l.Attempt, 0)
	a.enter(name, 1)
	out, err := a.Next.ExecuteActivity(ctx, in)
	a.enter(name, -1)
	failed := 0
	if err != nil {
		failed = 1
		fmt.Fprintf(os.Stderr, "%d %s %s %d-%d: %v\n", time.Now().UnixNano(), a.Name, name, l.Lease, l.Attempt, err)
	}
	a.note("end", name, l.Lease, l.Attempt, failed)
	return out, err
}

func (w *workflows) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	w.note("coordinates", "-", 0, 0, 0) // also when it replays: then its process has the sticky queue
	return w.Next.ExecuteWorkflow(ctx, in)
}

// job is that of the process, which notes how many calls it makes at once.
func (w *witness) job(b *blob.Bucket, calls []uint32) dmaptemporal.Job[number, squared] {
	job := w.Job.build(b, calls)
	call := job.Call
	job.Call = func(ctx context.Context, in number) (squared, error) {
		defer w.calls.Add(-1)
		w.rise(w.calls.Add(1))
		return call(ctx, in)
	}
	return job
}

// rise notes a number of calls at once if it is the largest so far.
func (w *witness) rise(n int64) {
	for peak := w.peak.Load(); n > peak; peak = w.peak.Load() {
		if w.peak.CompareAndSwap(peak, n) {
			w.note("calls", "-", 0, 0, int(n))
		}
	}
}

// runCrashProcess is the main function of a process.
func runCrashProcess(t *testing.T, text string) {
	w := &witness{}
	require.NoError(t, json.Unmarshal([]byte(text), &w.crashProcess))
	var err error
	w.events, err = os.OpenFile(w.Events, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	require.NoError(t, err)
	inner, err := openCrashBucket(t.Context(), w.Place)
	require.NoError(t, err)
	faults := dmaptest.NewFaultBucket(t, inner)
	faults.Watch(w.watch)
	calls := openCalls(t, w.Calls, w.Job.Items)
	go func() { // the parent is gone
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	w.note("begins", "-", 0, 0, 0)
	if w.Server == "" {
		os.Exit(w.runMap(t.Context(), w.job(faults.Bucket, calls)))
	}
	var c client.Client
	for c == nil {
		if c, err = client.Dial(client.Options{HostPort: w.Server, Logger: warnings{w}, Interceptors: []interceptor.ClientInterceptor{&interceptors{witness: w}}}); err != nil {
			<-time.After(200 * time.Millisecond)
		}
	}
	err = dmaptemporal.Serve(t.Context(), c, w.Job.RunID, crashMap(func() dmaptemporal.Job[number, squared] { return w.job(faults.Bucket, calls) }))
	fmt.Fprintln(os.Stderr, w.Name, "serves no more:", err)
	os.Exit(4)
}

func (w *witness) runMap(ctx context.Context, job dmaptemporal.Job[number, squared]) (code int) {
	opts := job.Options
	opts.RunID, opts.MaxConcurrency, opts.Tolerance = w.Job.RunID, crashSlots, dmap.Tolerance{Percentage: 50}
	_, err := dmap.Map(ctx, job.Source, job.Call, opts, job.Sink)
	if err != nil {
		fmt.Fprintln(os.Stderr, w.Name, err)
		return 1
	}
	return 0
}

var errUnlucky = errors.New("an unlucky number")
