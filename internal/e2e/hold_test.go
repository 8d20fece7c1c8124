package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// holdJob is the configuration of a process that squares the numbers below N and holds each fifth
// of them, some of them twice, until a person has decided.
type holdJob struct {
	Place string // of the bucket: an S3 URL or a folder
	Kind  string // of the source, see crashSource
	Batch int    // items of a batch; 0: Map
	N     int
	RunID string
}

// holdsOf is how many approvals a number needs.
func holdsOf(n int) int {
	switch {
	case n%35 == 0:
		return 2
	case n%5 == 0:
		return 1
	default:
		return 0
	}
}

var errTwice = errors.New("the decision of a number is of another hold")

// held decides about a call: nil if it may work.
func heldOrNot(n int, d *dmap.Decision) error {
	had := 0
	if d != nil {
		had = d.Holds
	}
	switch {
	case d != nil && !d.Approved:
		return errTwice
	case had < holdsOf(n):
		return dmap.Hold(fmt.Sprintf("number %d, hold %d", n, had+1))
	case had > holdsOf(n):
		return errTwice
	default:
		return nil
	}
}

func runHoldJob(t *testing.T, text string) {
	var job holdJob
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	b, err := openPlace(t.Context(), job.Place)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	faults := dmaptest.NewFaultBucket(t, b)
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if ended && c.Op == dmaptest.OpClose && strings.HasPrefix(c.Key, "runs/") {
			fmt.Printf("step wrote %s\n", c.Key)
		}
	})
	opts := dmap.Options{
		RunID: job.RunID, MaxConcurrency: 20, CommitEvery: 15 * time.Millisecond, PoisonAfter: -1, Tolerance: dmap.Tolerance{Percentage: 50},
	}
	out := sink.Bucket[squared](faults.Bucket, "runs", sink.BucketOptions{PartBytes: 16 << 10})
	src := crashSource(b, job.Kind, job.N)
	square := func(ctx context.Context, n int, d *dmap.Decision) (squared, error) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return squared{}, ctx.Err()
		}
		if err := heldOrNot(n, d); err != nil {
			return squared{}, err
		}
		return squared{n, n * n}, nil
	}
	if job.Batch == 0 {
		_, err = dmap.Map(t.Context(), src, func(ctx context.Context, in number) (squared, error) {
			info, _ := dmap.InfoFrom(ctx)
			return square(ctx, in.N, info.Decision)
		}, opts, out)
	} else {
		_, err = dmap.MapBatch(t.Context(), src, batch.Limits{Items: job.Batch}, func(ctx context.Context, items []dmap.Item[number]) ([]squared, error) {
			values, failed := make([]squared, len(items)), batch.Errors{}
			var err error
			for i, item := range items {
				if values[i], err = square(ctx, item.Value.N, dmap.DecisionAt(ctx, i)); err != nil {
					failed[i] = err
				}
			}
			return values, failed.Err()
		}, opts, out)
	}
	if err != nil {
		fmt.Println(err)
		code := dmap.ExitCode(err)
		if code == 1 {
			code = exitFailed
		}
		os.Exit(code)
	}
}

// person decides about held items while processes work on the run and are killed.
type person struct {
	t      *testing.T
	bucket *blob.Bucket
	runID  string
	dice   *rand.Rand

	decided map[string]bool // decision objects
	wrong   map[string]bool // IDs of rejected items
	count   int
}

// decide lists the held items and decides about some of them: by a call, or by an object.
func (p *person) decide(all bool) {
	run, err := results.Load(p.t.Context(), p.bucket, "runs", p.runID)
	if errors.Is(err, results.ErrNoRun) {
		return
	}
	require.NoError(p.t, err)
	var approve, reject []string
	for h, err := range results.Held(p.t.Context(), p.bucket, run) {
		if err != nil {
			return // a release has replaced the part meanwhile, and Clean may have removed it
		}
		if p.decided[h.DecisionKey] || !all && p.dice.IntN(3) > 0 {
			continue
		}
		p.decided[h.DecisionKey] = true
		p.count++
		verdict := "approve"
		if p.dice.IntN(4) == 0 {
			verdict = "reject"
			p.wrong[h.ID] = true
		}
		switch {
		case p.dice.IntN(2) == 0:
			object := fmt.Sprintf(`{"id": %q, "decision": %q, "by": "a person"}`, h.ID, verdict)
			require.NoError(p.t, p.bucket.WriteAll(p.t.Context(), "runs/"+p.runID+"/"+h.DecisionKey, []byte(object), nil))
		case verdict == "approve":
			approve = append(approve, h.ID)
		default:
			reject = append(reject, h.ID)
		}
	}
	require.NoError(p.t, results.Approve(p.t.Context(), p.bucket, "runs", p.runID, results.Verdict{By: "a call"}, approve...))
	require.NoError(p.t, results.Reject(p.t.Context(), p.bucket, "runs", p.runID, results.Verdict{By: "a call"}, reject...))
}

// TestHoldsThroughKills kills processes of runs that hold items, while a person decides about these
// items, until each item has its one outcome. The processes execute this test, too.
func TestHoldsThroughKills(t *testing.T) {
	if job := os.Getenv(crashEnv); job != "" {
		runHoldJob(t, job)
		return
	}
	t.Parallel()
	seed := setting(t, "DMAP_CRASH_SEED", rand.Uint64())
	t.Logf("DMAP_CRASH_SEED=%d", seed)
	kills := int(setting(t, "DMAP_CRASH_KILLS", uint64(testsize.Sizes{Short: 4, Race: 2, Usual: 8, Long: 100}.Now())))
	n := testsize.Sizes{Short: 400, Race: 200, Usual: 600, Long: 4000}.Now()
	for i, place := range crashPlaces(t) {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			writeCrashInput(t, place.bucket, n)
			h := holdKills{t: t, place: place, n: n, dice: rand.New(rand.NewPCG(seed, uint64(i)))}
			for h.kills < (kills+1)/2 {
				h.run()
			}
			t.Logf("%s: %d kills in %d runs of %d processes, %d holds and %d decisions: %d items lost, %d doubled, %d with another outcome than decided",
				place.name, h.kills, h.runs, h.processes, h.holds, h.decisions, h.lost, h.doubled, h.other)
			require.Zero(t, h.lost+h.doubled+h.other)
		})
	}
}

// holdKills counts the runs on one store.
type holdKills struct {
	t     *testing.T
	place crashPlace
	n     int
	dice  *rand.Rand

	runs, kills, processes, holds, decisions int
	lost, doubled, other                     int
}

func (h *holdKills) run() {
	kinds := crashKinds()
	kind := kinds[h.runs%len(kinds)]
	job := holdJob{Place: h.place.url, Kind: kind, N: crashItems(kind, h.n), RunID: fmt.Sprintf("hold-%d", h.runs)}
	if h.dice.IntN(2) == 0 {
		job.Batch = 2 + h.dice.IntN(10)
	}
	h.runs++
	p := &person{t: h.t, bucket: h.place.bucket, runID: job.RunID, dice: h.dice, decided: map[string]bool{}, wrong: map[string]bool{}}
	for planned := 1 + h.dice.IntN(4); ; {
		code, killed, output := h.process(job, p, planned > 0)
		h.processes++
		if killed {
			h.kills++
			planned--
			continue
		}
		if code == 0 {
			break
		}
		require.Equal(h.t, 78, code, output) // it waits for decisions
		p.decide(planned <= 0)
	}
	h.decisions += p.count
	h.judge(job, p)
}

// process runs a process, which is killed after a random step, while the person decides.
func (h *holdKills) process(job holdJob, p *person, kill bool) (code int, killed bool, output string) {
	child := startChild(h.t, "TestHoldsThroughKills", job)
	at := 1 + h.dice.IntN(25)
	child.onStep = func(step int) {
		if kill && step == at {
			child.kill()
		}
	}
	stop := make(chan struct{})
	var deciding sync.WaitGroup
	deciding.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(30 * time.Millisecond):
				p.decide(false)
			}
		}
	})
	code, killed, output = child.wait()
	close(stop)
	deciding.Wait()
	return code, killed, output
}

// judge counts the items of the run that have no outcome, two, or another than the person decided.
func (h *holdKills) judge(job holdJob, p *person) {
	run, err := results.Load(h.t.Context(), h.place.bucket, "runs", job.RunID)
	require.NoError(h.t, err)
	s := run.Stats
	require.EqualValues(h.t, job.N, s.Read)
	require.Equal(h.t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Held+s.Pending)
	require.Zero(h.t, s.Held+s.Pending)
	require.EqualValues(h.t, len(p.wrong), s.Failed)
	seen := map[string]int{}
	numbers := map[int]bool{}
	for r, err := range results.Successes[squared](h.t.Context(), h.place.bucket, run) {
		require.NoError(h.t, err)
		seen[r.ID]++
		numbers[r.Output.N] = true
		holds := 0
		if r.Decision != nil {
			holds = r.Decision.Holds
		}
		if p.wrong[r.ID] || holds != holdsOf(r.Output.N) {
			h.other++
		}
		h.holds += holds
	}
	h.lost += int(s.Succeeded) - len(numbers)
	for f, err := range results.Failures(h.t.Context(), h.place.bucket, run) {
		require.NoError(h.t, err)
		seen[f.ID]++
		if !p.wrong[f.ID] || f.Class != "rejected" {
			h.other++
		}
		h.holds += f.Decision.Holds
	}
	h.lost += job.N - len(seen)
	for _, k := range seen {
		h.doubled += k - 1
	}
	// Every decision had its effect: each hold of an item that was kept has one.
	for key := range p.decided {
		there, err := h.place.bucket.Exists(h.t.Context(), "runs/"+job.RunID+"/"+key)
		require.NoError(h.t, err)
		require.True(h.t, there)
		require.True(h.t, strings.HasPrefix(key, runfolder.DecisionsFolder))
	}
}
