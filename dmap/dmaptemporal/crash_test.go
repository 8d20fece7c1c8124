//go:build unix

package dmaptemporal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
)

// setting returns a number from the environment, as set by `make cluster-crash SEED=7`.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// Sizes of the programme.
const (
	crashWorkers = 3
	crashSlots   = 96              // calls at once in the whole run
	slotsALease  = 8               // so that a worker has four leases
	crashCommits = time.Second     // the commit window
	healthy      = 8 * time.Second // between faults
	mostTime     = 8 * time.Minute // that a part of the programme may wait for anything
)

// TestClusterCrash kills and stops processes of a cluster, and checks the results of its runs. The
// processes of the workers execute this test, too.
func TestClusterCrash(t *testing.T) {
	if text := os.Getenv(crashEnv); text != "" {
		runCrashProcess(t, text)
		return
	}
	items := int(setting(t, "DMAP_CLUSTER_ITEMS", 0))
	if items == 0 {
		t.Skip("takes half an hour: make cluster-crash")
	}
	seed := setting(t, "DMAP_CLUSTER_SEED", rand.Uint64())
	t.Logf("DMAP_CLUSTER_SEED=%d", seed)
	p := programme{
		server: newDevServer(t), place: crashPlace(t), seed: seed,
		lasts: time.Duration(setting(t, "DMAP_CLUSTER_SECONDS", 360)) * time.Second,
	}
	var err error
	p.bucket, err = openCrashBucket(t.Context(), p.place)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.bucket.Close()) }()
	t.Run("faults", func(t *testing.T) { p.faults(t, items) })
	t.Run("a Map continues", func(t *testing.T) { p.mapContinues(t, items/4) })
	t.Run("Start continues", func(t *testing.T) { p.startContinues(t, items/4) })
	t.Run("a redrive", func(t *testing.T) { p.redrives(t, items/4) })
	t.Run("steps", func(t *testing.T) { p.steps(t, items/100) }) // waits for its parallel parts
}

// programme is the crash programme on one server and one store.
type programme struct {
	server *devServer
	place  string // of bucket: a folder or a URL
	bucket *blob.Bucket
	seed   uint64
	lasts  time.Duration // of a run of all items without faults, if there are cores enough
}

func (p *programme) dice(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(p.seed, stream)) }

// job is a run of n items that takes about as long as lasts says.
func (p *programme) job(t *testing.T, id string, n int, lasts time.Duration, dice *rand.Rand) crashJob {
	kinds := crashKinds()
	job := crashJob{RunID: id, Kind: kinds[dice.IntN(len(kinds))], Items: n}
	job.Pace = max(time.Millisecond, lasts*crashSlots/time.Duration(n))
	writeCrashInput(t, p.bucket, job)
	return job
}

// faults has every kind of fault once, in an order of the seed, and then as many as the run has
// time for.
func (p *programme) faults(t *testing.T, n int) {
	dice := p.dice(1)
	c := p.newRun(t, p.job(t, "faults", n, p.lasts, dice))
	c.startWorkers(crashFault{})
	c.start()
	defer c.finish()
	if !c.grows(time.Now()) {
		return
	}
	all := c.faults()
	dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := 0; ; i++ {
		c.after(healthy)
		row, ok := all[i%len(all)](dice)
		c.rows = append(c.rows, row)
		if !ok {
			require.Greater(t, i, len(all)-1, "the run has ended before each fault was made: set DMAP_CLUSTER_SECONDS")
			return
		}
	}
}

// mapContinues kills everything: dmap.Map ends the run, and the workflow that comes back finds
// that.
func (p *programme) mapContinues(t *testing.T, n int) {
	dice := p.dice(2)
	c := p.newRun(t, p.job(t, "map", n, p.lasts/4, dice))
	c.startWorkers(crashFault{})
	c.start()
	c.after(2*time.Second + time.Duration(dice.IntN(int(p.lasts/8))))
	killed := time.Now()
	for _, w := range c.workers {
		c.kill(w)
	}
	p.server.kill()
	row := crashRow{what: "all", lost: len(c.openAttempts("", killed))}
	local := c.spawn("map", crashFault{}, true)
	row.down = time.Since(killed)
	require.NoError(t, c.wait(local))
	row.results = c.sinceFirst(killed, func(e event) bool { return e.process == "map.1" && e.what == "commit" && e.n > 1 })
	c.rows = append(c.rows, row)
	c.judge()
	p.server.start(t)
	for _, w := range c.workers {
		c.restart(w)
	}
	began := time.Now()
	_, err := c.result()
	t.Logf("the workflow has ended %v after the server has come back: %v", time.Since(began).Round(time.Millisecond), err)
	require.ErrorIs(t, err, dmap.ErrFenced)
	c.requireGarbageIgnored(c.judge())
	c.report()
}

// startContinues kills a dmap.Map: the cluster continues its run.
func (p *programme) startContinues(t *testing.T, n int) {
	dice := p.dice(3)
	c := p.newRun(t, p.job(t, "start", n, p.lasts/4, dice))
	local := c.spawn("map", crashFault{}, true)
	c.after(2*time.Second + time.Duration(dice.IntN(int(p.lasts/8))))
	killed := time.Now()
	row := crashRow{what: "Map", lost: 1}
	c.killProcess(local)
	c.startWorkers(crashFault{})
	c.start()
	row.down = time.Since(killed)
	c.grows(killed)
	row.results = c.sinceFirst(killed, func(e event) bool { return e.what == "commit" && e.n > 0 })
	c.rows = append(c.rows, row)
	c.finish()
}

// redrives ends a run of which half of the items have failed, and kills workers and the server in
// its redrive.
func (p *programme) redrives(t *testing.T, n int) {
	dice := p.dice(5)
	job := p.job(t, "redrive", n, p.lasts/2, dice)
	job.Again = true
	c := p.newRun(t, job)
	c.startWorkers(crashFault{})
	c.start()
	stats, err := c.result()
	require.NoError(t, err, c.errors())
	require.Greater(t, stats.Failed, int64(n/2-1))
	c.job.Ends = 1
	began := time.Now()
	c.startWith(dmap.Redrive{Max: 1, Tolerated: true})
	if c.grows(began) {
		for _, fault := range []func(*rand.Rand) (crashRow, bool){c.killWorker, c.killServer, c.killCoordinator} {
			row, ok := fault(dice)
			if c.rows = append(c.rows, row); !ok {
				break
			}
		}
	}
	c.finish()
	require.Equal(t, 1, c.stats.Redrives)
}

// steps kills or stops the worker that does a step of the host, at an operation of the bucket in
// it.
func (p *programme) steps(t *testing.T, n int) {
	dice := p.dice(4)
	for _, activity := range []string{"dmap/begin", "dmap/plan", "dmap/absorb", "dmap/finish"} {
		for _, fault := range []crashFault{
			{At: atStart}, {At: 1 + dice.IntN(4)}, {At: 5 + dice.IntN(12)}, {At: atEnd}, {At: 1 + dice.IntN(10), Stops: true},
		} {
			fault.Activity = activity
			id := fmt.Sprintf("%s%d%t", activity[len("dmap/"):], fault.At, fault.Stops)
			job := p.job(t, id, n, 5*time.Second, dice)
			t.Run(id, func(t *testing.T) {
				t.Parallel()
				c := p.newRun(t, job)
				c.startWorkers(fault)
				c.start()
				c.rows = append(c.rows, c.stepFails(fault))
				c.finish()
			})
		}
	}
}
