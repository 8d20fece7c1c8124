//go:build unix

package dmaptemporal_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// crashRow is a row of the table: times are since the fault, but for back.
type crashRow struct {
	what    string
	process string
	lost    int           // attempts in flight
	down    time.Duration // until the process, or the server, was started again
	noticed time.Duration // until another attempt has begun at each lease that was lost
	results time.Duration // until each of these has committed results
	back    time.Duration // from the restart until the process commits, or the server gives a lease
	stall   time.Duration // the longest time without a commit of results in the whole cluster
}

// openAttempts are those that a process has at a time; "": all processes.
func (c *crashRun) openAttempts(process string, at time.Time) (open []*life) {
	c.log.read(c.t)
	for _, v := range c.log.lives() {
		if (process == "" || v.process == process) && v.began.Before(at) && v.ended.IsZero() && (c.killed[v.process].IsZero() || c.killed[v.process].After(at.Add(-time.Second))) {
			open = append(open, v)
		}
	}
	return open
}

// continued returns when another attempt has begun at a lease, and when it has committed results.
func (c *crashRun) continued(v *life) (began, results time.Time) {
	for _, next := range c.log.lives() {
		if next.lease != v.lease || next.number <= v.number {
			continue
		}
		if began.IsZero() {
			began = next.began
		}
		if len(next.commits) > 1 {
			return began, next.commits[1]
		}
		if !next.ended.IsZero() {
			return began, next.ended
		}
	}
	return began, results
}

// follow waits until the lost attempts are continued, and fills in the times of a row.
func (c *crashRun) follow(row *crashRow, fault time.Time, lost []*life) bool {
	row.lost = len(lost)
	ok := c.await(func() bool {
		row.noticed, row.results = 0, 0
		for _, v := range lost {
			began, results := c.continued(v)
			if results.IsZero() {
				return false
			}
			row.noticed, row.results = max(row.noticed, began.Sub(fault)), max(row.results, results.Sub(fault))
		}
		return true
	})
	row.stall = c.log.stall(fault, time.Now())
	return ok
}

// sinceFirst is the time until the first event that fits.
func (c *crashRun) sinceFirst(from time.Time, fits func(event) bool) time.Duration {
	c.log.read(c.t)
	if e, ok := c.log.first(from, fits); ok {
		return e.at.Sub(from)
	}
	return -1
}

// grows waits until results were committed after a time.
func (c *crashRun) grows(after time.Time) bool {
	return c.await(func() bool {
		_, ok := c.log.first(after, func(e event) bool { return e.what == "commit" && e.n > 1 })
		return ok
	})
}

// faults are all kinds of faults, or the one that DMAP_CLUSTER_FAULT names.
func (c *crashRun) faults() (all []func(*rand.Rand) (crashRow, bool)) {
	named := map[string]func(*rand.Rand) (crashRow, bool){
		"worker": c.killWorker, "coordinator": c.killCoordinator, "server": c.killServer, "zombie": c.zombie, "outage": c.killServerForLong,
	}
	if f := named[os.Getenv("DMAP_CLUSTER_FAULT")]; f != nil {
		return append(all, f)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		all = append(all, named[name])
	}
	return all
}

func pause(dice *rand.Rand) time.Duration {
	return time.Duration(500+dice.IntN(2500)) * time.Millisecond
}

// coordinator is the worker that has the workflow in its cache, and so its sticky task queue.
func (c *crashRun) coordinator() *crashWorker {
	c.log.read(c.t)
	name := c.log.last("coordinates").process
	for _, w := range c.workers {
		if w.name() == name {
			return w
		}
	}
	return c.workers[0]
}

// busy waits for a worker with leases in flight.
func (c *crashRun) busy(dice *rand.Rand, fits func(*crashWorker) bool) (found *crashWorker) {
	c.await(func() bool {
		order := dice.Perm(len(c.workers))
		i := slices.IndexFunc(order, func(i int) bool {
			return fits(c.workers[i]) && len(c.openAttempts(c.workers[i].name(), time.Now())) > 0
		})
		if i >= 0 {
			found = c.workers[order[i]]
		}
		return i >= 0
	})
	return found
}

func (c *crashRun) killWorker(dice *rand.Rand) (crashRow, bool) {
	w := c.busy(dice, func(w *crashWorker) bool { return w != c.coordinator() })
	return c.killAndRestart("worker", w, dice)
}

func (c *crashRun) killCoordinator(dice *rand.Rand) (crashRow, bool) {
	w := c.busy(dice, func(w *crashWorker) bool { return w == c.coordinator() })
	return c.killAndRestart("coordinator", w, dice)
}

func (c *crashRun) killAndRestart(what string, w *crashWorker, dice *rand.Rand) (row crashRow, ok bool) {
	row.what = what
	if w == nil {
		return row, false
	}
	row.process = w.name()
	fault := time.Now()
	c.kill(w)
	lost := c.openAttempts(row.process, fault)
	c.after(pause(dice))
	restarted := time.Now()
	row.down = restarted.Sub(fault)
	c.restart(w)
	ok = c.follow(&row, fault, lost)
	if ok {
		ok = c.await(func() bool {
			row.back = c.sinceFirst(restarted, func(e event) bool { return e.process == w.name() && e.what == "commit" && e.n > 0 })
			return row.back >= 0
		})
	}
	return row, ok
}

func (c *crashRun) killServer(dice *rand.Rand) (crashRow, bool) {
	return c.serverDown("server", pause(dice))
}

// killServerForLong has all heartbeats miss their time-out: all leases in flight become zombies.
func (c *crashRun) killServerForLong(dice *rand.Rand) (crashRow, bool) {
	return c.serverDown("outage", 35*time.Second+pause(dice))
}

func (c *crashRun) serverDown(what string, d time.Duration) (row crashRow, ok bool) {
	row.what, row.process, row.down = what, "server", d
	fault := time.Now()
	c.p.server.kill()
	lost := c.openAttempts("", fault)
	c.after(d)
	c.p.server.start(c.t)
	restarted := time.Now()
	ok = c.await(func() bool {
		row.back = c.sinceFirst(restarted, func(e event) bool { return e.what == "start" && e.activity == leaseActivity })
		return row.back >= 0
	}) && c.grows(time.Now())
	for _, v := range lost {
		if began, _ := c.continued(v); !began.IsZero() {
			row.lost++
			row.noticed = max(row.noticed, began.Sub(fault))
		}
	}
	row.stall = c.log.stall(fault, time.Now())
	return row, ok
}

// zombie stops a worker until others have begun an attempt at each of its leases: one that is not
// lost by then ends in the worker that comes back.
func (c *crashRun) zombie(dice *rand.Rand) (row crashRow, ok bool) {
	row.what = "zombie"
	w := c.busy(dice, func(*crashWorker) bool { return true })
	if w == nil {
		return row, false
	}
	row.process = w.name()
	fault := time.Now()
	c.signal(w, syscall.SIGSTOP)
	lost := c.openAttempts(row.process, fault)
	ok = c.await(func() bool {
		return !slices.ContainsFunc(lost, func(v *life) bool { began, _ := c.continued(v); return began.IsZero() })
	})
	c.after(pause(dice))
	row.down = time.Since(fault)
	c.signal(w, syscall.SIGCONT)
	resumed := time.Now()
	c.stopped[row.process] = append(c.stopped[row.process], span{fault, resumed})
	ok = c.follow(&row, fault, lost) && ok
	ok = ok && c.await(func() bool {
		row.back = c.sinceFirst(resumed, func(e event) bool { return e.process == w.name() && e.what == "commit" && e.n > 1 })
		return row.back >= 0
	})
	return row, ok
}

// stepFails waits for the fault of a process in a step, and until the step has ended in another.
func (c *crashRun) stepFails(fault crashFault) (row crashRow) {
	row.what = fmt.Sprintf("%s, operation %d", strings.TrimPrefix(fault.Activity, "dmap/"), fault.At)
	var failed event
	await := func(ok func() bool) { c.awaitUntil(func() bool { return len(c.ended) > 0 }, ok) }
	await(func() bool {
		failed = cmp.Or(c.log.last("dies"), c.log.last("stops"))
		return !failed.at.IsZero()
	})
	if failed.at.IsZero() {
		row.what += ": not reached"
		return row
	}
	row.process = failed.process
	row.lost = len(c.openAttempts(failed.process, failed.at))
	i := slices.IndexFunc(c.workers, func(w *crashWorker) bool { return w.name() == failed.process })
	if !fault.Stops {
		<-c.workers[i].proc.exited
		c.restart(c.workers[i])
	}
	other := func(what string) func(event) bool {
		return func(e event) bool {
			return e.process != failed.process && e.what == what && e.activity == fault.Activity && (what == "start" || e.n == 0)
		}
	}
	await(func() bool {
		row.noticed = c.sinceFirst(failed.at, other("start"))
		return row.noticed >= 0
	})
	await(func() bool {
		row.results = c.sinceFirst(failed.at, other("end"))
		// In a folder, a process that is stopped may have the lock of the run.
		return row.results >= 0 || fault.Stops && time.Since(failed.at) > row.noticed+20*time.Second
	})
	row.down = time.Since(failed.at)
	if fault.Stops {
		row.what += ", zombie"
		c.signal(c.workers[i], syscall.SIGCONT)
		c.stopped[failed.process] = append(c.stopped[failed.process], span{failed.at, time.Now()})
	}
	row.stall = c.log.stall(failed.at, time.Now())
	return row
}

// report prints the table of the run, and compares the items that ran again with their bound.
func (c *crashRun) report() {
	c.log.read(c.t)
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	second := func(d time.Duration) string {
		if d <= 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	_, _ = fmt.Fprintln(w, "fault\tprocess\tleases\tdown\tnoticed\tresults\tback\tstall")
	for _, r := range c.rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.what, r.process, r.lost, second(r.down), second(r.noticed), second(r.results), second(r.back), second(r.stall))
	}
	_ = w.Flush()
	c.t.Logf("%s, %d items, %v\n%s%s", c.job.Kind, c.job.Items, time.Since(c.began).Round(time.Second), out.String(), c.compareAgain())
}
