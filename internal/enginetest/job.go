package enginetest

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
)

// Out is the prefix of the results of all jobs.
const Out = "out"

// Job is a run of a case. Its processes share the store and nothing else.
type Job struct {
	ID       string
	Store    *blob.Bucket // as the test sees it
	Open     func(b *blob.Bucket) dmap.Source[string]
	Call     func(ctx context.Context, v string) (string, error) // nil: Batch
	Batch    func(ctx context.Context, in []dmap.Item[string]) ([]string, error)
	Limits   batch.Limits
	Options  dmap.Options
	PerLease int // calls at once of a machine at most
	Meter    *Meter

	t        *testing.T
	mu       sync.Mutex
	machines []*Machine // those that live
	watcher  func()     // before each operation of the store; nil: none
}

// Machine is a process that works on a job.
type Machine struct {
	Source  dmap.Source[string]
	Call    func(ctx context.Context, v string) (string, error)
	Batch   func(ctx context.Context, in []dmap.Item[string]) ([]string, error)
	Limits  batch.Limits
	Options dmap.Options
	Sink    *sink.BucketSink[string]

	// Dead is closed when the machine is killed.
	Dead  chan struct{}
	store *dmaptest.FaultBucket
	once  sync.Once
}

// newJob returns a job over an empty store.
func newJob(t *testing.T) *Job {
	t.Helper()
	store := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = store.Close() })
	j := &Job{ID: "r-" + rand.Text()[:8], Store: store, PerLease: 4, Meter: newMeter(), t: t}
	j.Options.MaxConcurrency = 12
	return j
}

// Machine starts a process of the job.
func (j *Job) Machine() *Machine {
	m := &Machine{Limits: j.Limits, Options: j.Options, Dead: make(chan struct{}), store: dmaptest.NewFaultBucket(j.t, j.Store)}
	m.Options.RunID = j.ID
	m.store.Watch(func(_ dmaptest.Call, ended bool) {
		if !ended {
			j.watched()
		}
	})
	m.Source = j.Open(m.store.Bucket)
	m.Sink = sink.Bucket[string](m.store.Bucket, Out)
	if j.Call != nil {
		m.Call = func(ctx context.Context, v string) (string, error) {
			info, _ := dmap.InfoFrom(ctx)
			defer j.Meter.begin(info.ID())()
			return j.Call(m.mark(ctx), v)
		}
	} else {
		m.Batch = func(ctx context.Context, in []dmap.Item[string]) ([]string, error) {
			ids := make([]string, len(in))
			for i := range in {
				ids[i] = in[i].ID()
			}
			defer j.Meter.begin(ids...)()
			return j.Batch(m.mark(ctx), in)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.machines = append(j.machines, m)
	return m
}

// Kill ends the process: nothing that it does reaches the store any more.
func (m *Machine) Kill() {
	m.once.Do(func() {
		for _, op := range []dmaptest.Op{
			dmaptest.OpOpen, dmaptest.OpRead, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose,
			dmaptest.OpAttributes, dmaptest.OpDelete,
		} {
			m.store.Inject(dmaptest.Fault{Op: op, Sticky: true})
		}
		close(m.Dead)
	})
}

// killOne kills a machine that lives.
func (j *Job) killOne() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.machines) > 0 {
		j.machines[0].Kill()
		j.machines = j.machines[1:]
	}
}

type machineKey struct{}

func (m *Machine) mark(ctx context.Context) context.Context {
	return context.WithValue(ctx, machineKey{}, m)
}

// watch has f called before each operation of a machine in the store.
func (j *Job) watch(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watcher = f
}

func (j *Job) watched() {
	j.mu.Lock()
	f := j.watcher
	j.mu.Unlock()
	if f != nil {
		f()
	}
}

// Meter counts the calls of all machines.
type Meter struct {
	mu     sync.Mutex
	calls  int
	now    int
	most   int                    // at once
	byItem map[string][]time.Time // when its calls began
	starts []start
}

// start is the start of a call.
type start struct {
	at    time.Time
	items int
}

func newMeter() *Meter { return &Meter{byItem: map[string][]time.Time{}} }

func (m *Meter) begin(ids ...string) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.calls++
	m.now++
	m.most = max(m.most, m.now)
	m.starts = append(m.starts, start{now, len(ids)})
	for _, id := range ids {
		m.byItem[id] = append(m.byItem[id], now)
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.now--
	}
}

func (m *Meter) read(f func(m *Meter)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

// count is the number of calls so far, and of those in flight.
func (m *Meter) count() (calls, now int) {
	m.read(func(m *Meter) { calls, now = m.calls, m.now })
	return calls, now
}

// Keep keeps m from being killed alone.
func (j *Job) Keep(m *Machine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.machines = slices.DeleteFunc(j.machines, func(o *Machine) bool { return o == m })
}
