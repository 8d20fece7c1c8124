//go:build unix

package dmaptemporal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
)

// crashRun is a run, its processes and their events.
type crashRun struct {
	t       *testing.T
	p       *programme
	job     crashJob
	dir     string
	log     eventLog
	workers []*crashWorker
	rows    []crashRow
	run     *dmaptemporal.Run
	ended   chan error
	stats   dmap.Stats // valid after ended
	began   time.Time

	killed  map[string]time.Time // processes that have died, also by their own fault
	stopped map[string][]span
}

type span struct{ from, to time.Time }

// crashWorker is a worker, of which one process lives after the other.
type crashWorker struct {
	number, life int
	proc         *proc
}

type proc struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.Closer
	exited chan struct{}
}

// crashDir is a new folder. DMAP_CLUSTER_KEEP names one for all of them, which stay.
func crashDir(t *testing.T) string {
	t.Helper()
	keep := os.Getenv("DMAP_CLUSTER_KEEP")
	if keep == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(keep, "run") //nolint:usetesting // it stays
	require.NoError(t, err)
	return dir
}

func (p *programme) newRun(t *testing.T, job crashJob) *crashRun {
	c := &crashRun{
		t: t, p: p, job: job, dir: crashDir(t), ended: make(chan error, 1), began: time.Now(),
		killed: map[string]time.Time{}, stopped: map[string][]span{},
	}
	c.log.name = filepath.Join(c.dir, "events")
	require.NoError(t, os.WriteFile(c.log.name, nil, 0o600))
	t.Logf("%+v", job)
	return c
}

// spawn starts a process.
func (c *crashRun) spawn(name string, fault crashFault, local bool) *proc {
	c.t.Helper()
	life := crashProcess{
		Name: name, Server: c.p.server.address, Place: c.p.place, Job: c.job, Events: c.log.name, Calls: filepath.Join(c.dir, "calls"), Fault: fault,
	}
	if local {
		life.Server, life.Name = "", name+".1"
	}
	text, err := json.Marshal(life)
	require.NoError(c.t, err)
	self, err := os.Executable()
	require.NoError(c.t, err)
	p := &proc{name: life.Name, cmd: exec.Command(self, "-test.run=^TestClusterCrash$", "-test.timeout=0"), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), crashEnv+"="+string(text))
	errors, err := os.OpenFile(filepath.Join(c.dir, "errors"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(c.t, err)
	defer func() { _ = errors.Close() }()
	p.cmd.Stderr = errors
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, p.cmd.Start())
	go func() { _ = p.cmd.Wait(); close(p.exited) }()
	c.t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	return p
}

func (c *crashRun) startWorkers(fault crashFault) {
	for i := range crashWorkers {
		w := &crashWorker{number: i, life: 1}
		w.proc = c.spawn(w.name(), fault, false)
		c.workers = append(c.workers, w)
	}
}

func (w *crashWorker) name() string { return fmt.Sprintf("w%d.%d", w.number, w.life) }

func (c *crashRun) kill(w *crashWorker) { c.killProcess(w.proc) }

func (c *crashRun) killProcess(p *proc) {
	_ = p.cmd.Process.Kill()
	<-p.exited
	if c.killed[p.name].IsZero() {
		c.killed[p.name] = time.Now()
	}
}

func (c *crashRun) restart(w *crashWorker) {
	w.life++
	w.proc = c.spawn(w.name(), crashFault{}, false)
}

// wait waits for the end of a process that ends by itself.
func (c *crashRun) wait(p *proc) error {
	select {
	case <-p.exited:
	case <-time.After(mostTime):
		return fmt.Errorf("%s does not end", p.name)
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s: %s", p.name, p.cmd.ProcessState, c.errors())
	}
	return nil
}

// errors are the last lines that processes have written.
func (c *crashRun) errors() string {
	text, _ := os.ReadFile(filepath.Join(c.dir, "errors"))
	lines := strings.Split(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// start starts the run on the cluster, and waits for its end in the background, as a user does.
func (c *crashRun) start() { c.startWith(dmap.Redrive{}) }

func (c *crashRun) startWith(again dmap.Redrive) {
	c.t.Helper()
	cl := c.p.server.dial(c.t)
	var err error
	c.run, err = crashMap(nil).Start(context.WithoutCancel(c.t.Context()), cl, c.job.RunID, c.job.RunID, c.job, dmaptemporal.Settings{
		MaxConcurrency: crashSlots, PerLease: slotsALease, Tolerance: dmap.Tolerance{Percentage: 60}, Redrive: again,
	})
	require.NoError(c.t, err)
	go func() {
		stats, err := c.run.Wait()
		c.stats = stats
		c.ended <- err
	}()
}

// over reports whether the run has ended.
func (c *crashRun) over() bool {
	ended, err := c.p.bucket.Exists(c.t.Context(), c.job.manifest())
	return ended && err == nil
}

// result waits for the end of the workflow.
func (c *crashRun) result() (dmap.Stats, error) {
	select {
	case err := <-c.ended:
		return c.stats, err
	case <-time.After(mostTime):
		require.Fail(c.t, "the workflow does not end", "%s\n%s", c.errors(), c.log.tail(40))
		return dmap.Stats{}, nil
	}
}

// finish waits for the end of the run, and judges it.
func (c *crashRun) finish() {
	stats, err := c.result()
	require.NoError(c.t, err, c.errors())
	v := c.judge()
	require.EqualValues(c.t, v.manifest.Stats.Succeeded, stats.Succeeded, "the counts of the workflow")
	require.EqualValues(c.t, v.manifest.Stats.Failed, stats.Failed, "the counts of the workflow")
	for _, w := range c.workers {
		_ = w.proc.cmd.Process.Kill()
	}
	c.report()
}

func (c *crashRun) judge() crashVerdict {
	c.t.Helper()
	v := judge(c.t, c.p.bucket, c.job)
	require.True(c.t, v.clean(), "%+v\n%s", v, c.errors())
	return v
}

// after waits for a time.
func (c *crashRun) after(d time.Duration) { <-time.After(d) }

// await waits until ok, or until the run is over: then it returns false.
func (c *crashRun) await(ok func() bool) bool { return c.awaitUntil(c.over, ok) }

// awaitUntil waits until ok, or until something is over: then it returns false.
func (c *crashRun) awaitUntil(isOver, ok func() bool) bool {
	c.t.Helper()
	for end := time.Now().Add(mostTime); ; <-time.After(100 * time.Millisecond) {
		over := isOver()
		c.log.read(c.t)
		for _, e := range c.log.events {
			if e.what == "dies" && c.killed[e.process].IsZero() {
				c.killed[e.process] = e.at
			}
		}
		if ok() {
			return true
		}
		if over {
			return false
		}
		require.True(c.t, time.Now().Before(end), "nothing happens: %s\n%s", c.errors(), c.log.tail(40))
	}
}

func (c *crashRun) signal(w *crashWorker, s syscall.Signal) {
	require.NoError(c.t, w.proc.cmd.Process.Signal(s))
}
