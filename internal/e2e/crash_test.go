package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/testsize"
)

// setting returns a number from the environment, as set by `make crash KILLS=200`.
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

// crashPlace is a store for runs: its URL, and its bucket as opened by the parent.
type crashPlace struct {
	name, url string
	bucket    *blob.Bucket
}

// crashPlaces returns the stores selected by DMAP_CRASH_STORE. Their objects survive the process.
func crashPlaces(t *testing.T) (places []crashPlace) {
	t.Helper()
	which := os.Getenv("DMAP_CRASH_STORE")
	require.Contains(t, []string{"", "both", "file", "s3"}, which)
	if which != "s3" {
		places = append(places, crashPlace{name: "file", url: t.TempDir()})
	}
	if which != "file" {
		address, bucket := gatewayURL(t), bucketName(t)
		makeBucket(t, address, bucket)
		places = append(places, crashPlace{name: "versitygw", url: s3URL(address, bucket)})
	}
	for i := range places {
		b, err := openPlace(t.Context(), places[i].url)
		require.NoError(t, err)
		places[i].bucket = closeAtEnd(t, b)
	}
	return places
}

// TestCrash kills processes at random moments until their runs have ended, and checks the results
// of each run. The processes execute this test, too.
func TestCrash(t *testing.T) {
	if job := os.Getenv(crashEnv); job != "" {
		runCrashJob(t, job)
		return
	}
	t.Parallel()
	places := crashPlaces(t)
	kills := (int(setting(t, "DMAP_CRASH_KILLS", uint64(testsize.Sizes{Short: 4, Race: 8, Usual: 16, Long: 160}.Now()))) + len(places) - 1) / len(places)
	n := int(setting(t, "DMAP_CRASH_ITEMS", uint64(repetitions(2000, 4000, 20_000))))
	seed := setting(t, "DMAP_CRASH_SEED", rand.Uint64())
	t.Logf("DMAP_CRASH_SEED=%d", seed)
	for i, p := range places {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			writeCrashInput(t, p.bucket, n)
			c := crashes{t: t, place: p, n: n, dice: rand.New(rand.NewPCG(seed, uint64(i)))}
			for c.kills < kills && !t.Failed() {
				c.run()
			}
			t.Logf("%s: %d kills in %d runs, items lost: %d, doubled: %d, executed again: %d of at most %d (%d processes fenced off)",
				p.name, c.kills, c.runs, c.lost, c.doubled, c.again, c.allowed, c.fenced)
		})
	}
}

// crashes counts the runs on one store.
type crashes struct {
	t     *testing.T
	place crashPlace
	n     int
	dice  *rand.Rand

	runs, kills, fenced int
	lost, doubled       int
	again, allowed      int
}

// run drives one run to its end, with 1 to 5 processes. The fewer items it has, the longer a call
// takes, so that a small run makes as many commits with less work.
func (c *crashes) run() {
	kinds := crashKinds()
	job := crashJob{
		Place: c.place.url, Kind: kinds[c.runs%len(kinds)], RunID: fmt.Sprintf("crash-%d", c.runs),
		Concurrency: 32 << c.dice.IntN(3), Pace: max(time.Millisecond, 10*time.Second/time.Duration(c.n)),
		CommitEvery: time.Duration(5+c.dice.IntN(100)) * time.Millisecond,
		Log:         filepath.Join(c.t.TempDir(), "log"),
	}
	if c.runs/len(kinds)%2 == 1 {
		job.Batch = 2 + c.dice.IntN(40)
	}
	if (c.runs+c.runs/len(kinds))%2 == 0 {
		job.Waits = 700 * time.Millisecond // longer than most processes live
	}
	job.N = crashItems(job.Kind, c.n)
	c.runs++
	planned := 1 + c.dice.IntN(5)
	for {
		how := c.killPlan(planned > 0)
		code, killed, output := c.process(job, how)
		switch {
		case killed:
			c.kills++
			planned--
		case code == exitFenced:
			c.fenced++ // a write of the killed process arrived late
			require.Less(c.t, c.fenced, c.runs+c.kills, "fenced off too often")
		default:
			require.Zero(c.t, code, "%+v: %s", job, output)
			c.judge(job)
			return
		}
		job.Process++
	}
}

// killPlan says when a process is killed.
type killPlan struct {
	after time.Duration // time after its start; 0: not by time
	steps int           // number of the reported step; 0: not by step
}

func (c *crashes) killPlan(wanted bool) (k killPlan) {
	switch {
	case !wanted:
	case c.dice.IntN(2) == 0:
		k.steps = 1 + c.dice.IntN(40)
	default:
		k.after = time.Duration(20+c.dice.IntN(1200)) * time.Millisecond
	}
	return k
}

// process runs one process of job. Its exit code is valid only if it was not killed.
func (c *crashes) process(job crashJob, k killPlan) (code int, killed bool, output string) {
	child := startChild(c.t, "TestCrash", job)
	if k.after > 0 {
		timer := time.AfterFunc(k.after, child.kill)
		defer timer.Stop()
	}
	child.onStep = func(n int) {
		if n == k.steps {
			child.kill()
		}
	}
	return child.wait()
}

func (c *crashes) judge(job crashJob) {
	v := checkRun(c.t, c.place.bucket, job.RunID, job.N)
	inFlight := job.Concurrency * max(1, job.Batch)
	r := readLog(c.t, job.Log, inFlight)
	c.lost += v.lost
	c.doubled += v.doubled
	c.again += r.again
	c.allowed += r.allowed
	require.True(c.t, v.clean(), "%+v: %+v", job, v)
	require.LessOrEqual(c.t, r.again, r.allowed, "%+v", job)
}

// child is a process of this test binary.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *bufio.Scanner
	stderr strings.Builder
	onStep func(n int)
	step   string // the latest, when onStep is called
	// release frees the slot of the process.
	release func()
	started time.Time

	once   sync.Once
	killed bool // guarded by once
}

// childSlots bounds the child processes of the parallel tests. With more of them at once, those
// that are killed after a time would have done little work.
var childSlots = make(chan struct{}, 4)

// startChild runs the test of the given name with job in its environment. It waits for a slot,
// which wait releases.
func startChild(t *testing.T, test string, job any) *child {
	t.Helper()
	childSlots <- struct{}{}
	release := sync.OnceFunc(func() { <-childSlots })
	t.Cleanup(release) // if the test fails before wait
	text, err := json.Marshal(job)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{cmd: exec.Command(self, "-test.run=^"+test+"$", "-test.count=1", "-test.timeout=5m"), release: release}
	c.cmd.Env = append(os.Environ(), crashEnv+"="+string(text), keysEnv+"="+accessKey+" "+secretKey, noSleepAtExit())
	c.cmd.Stderr = &c.stderr
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.out = bufio.NewScanner(stdout)
	c.started = time.Now()
	require.NoError(t, c.cmd.Start())
	return c
}

// noSleepAtExit is a variable of the environment of a child process. By default the race detector
// lets a process sleep for a second when it exits with code 0, for the goroutines that still run.
// A child has none: its test ends with goleak.
func noSleepAtExit() string {
	return "GORACE=" + strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0")
}

// kill sends SIGKILL.
func (c *child) kill() { c.once.Do(func() { c.killed = c.cmd.Process.Kill() == nil }) }

// wait reads the output of the process until it exits.
func (c *child) wait() (code int, killed bool, output string) {
	var text strings.Builder
	steps := 0
	for c.out.Scan() {
		if step, ok := strings.CutPrefix(c.out.Text(), "step "); ok {
			c.step = step
			if steps++; c.onStep != nil {
				c.onStep(steps)
			}
			continue
		}
		fmt.Fprintln(&text, c.out.Text())
	}
	err := c.cmd.Wait()
	c.release()
	c.once.Do(func() {}) // the process has exited: a later kill must not count
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return -1, false, err.Error()
	}
	code = c.cmd.ProcessState.ExitCode()
	return code, c.killed && code == -1, text.String() + c.stderr.String()
}
