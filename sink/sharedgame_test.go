package sink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// sharedGame is a run that hosts, owners of leases and local processes work on, which die or stall
// at any operation of the bucket. Stalled ones come back.
type sharedGame struct {
	t     *testing.T
	inner *blob.Bucket
	items int64

	all   sync.WaitGroup
	calls atomic.Int64

	mu   sync.Mutex
	dice *rand.Rand
	seen map[string]int // events
}

func (g *sharedGame) roll(n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dice.IntN(n)
}

func (g *sharedGame) event(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen[name]++
}

// bucket is that of one process, which may die or stall within the next operations.
func (g *sharedGame) bucket(operations int) *blob.Bucket {
	faults := dmaptest.NewFaultBucket(g.t, g.inner)
	at := int64(1 + g.roll(operations))
	switch g.roll(4) {
	case 0:
		g.event("dies")
		dying(faults, at)
	case 1:
		g.event("stalls")
		stalling(faults, at, time.Duration(1+g.roll(40))*time.Second)
	case 2:
		for _, op := range []dmaptest.Op{dmaptest.OpClose, dmaptest.OpOpen, dmaptest.OpList} {
			kind := dmaptest.Fail
			if op == dmaptest.OpClose {
				kind = dmaptest.Lost
			}
			faults.Inject(dmaptest.Fault{Op: op, Nth: 1 + g.roll(operations), Kind: kind})
		}
	}
	return faults.Bucket
}

// stalling lets all operations from the n-th on wait until some time has passed since that one.
func stalling(bucket *dmaptest.FaultBucket, n int64, pause time.Duration) {
	var seen atomic.Int64
	var once sync.Once
	resumed := make(chan struct{})
	bucket.Watch(func(_ dmaptest.Call, ended bool) {
		if ended || seen.Add(1) < n {
			return
		}
		once.Do(func() { time.AfterFunc(pause, func() { close(resumed) }) })
		<-resumed
	})
}

// host is one process after another of a host: it gives leases until nothing is left, or it fails.
func (g *sharedGame) host() error {
	h, ended, err := sink.Bucket[int](g.bucket(60), "out").BeginShared(context.Background(), sharedSpec(), lease.Starter{}, nil)
	if err != nil || ended != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	queue, next := unsettledOf(h.Progress(), piece(0, g.items)), h.NextLease()
	for len(queue) > 0 {
		var refs []lease.Ref
		returned := make(chan leaseEnd, 3)
		given := 0
		for range 3 {
			if len(queue) == 0 {
				break
			}
			splits := g.take(&queue)
			ref := lease.Ref{Lease: next, Era: h.Era()}
			next++
			given++
			go func() { returned <- g.lease(ref, splits) }()
		}
		var failed bool
		for range given {
			end := <-returned
			failed = failed || !end.ok
			queue, refs = append(queue, end.rest...), append(refs, end.ref)
		}
		if failed {
			return errors.New("a lease never returned")
		}
		if err := g.absorb(h.Era(), refs); err != nil {
			return err
		}
		slices.SortFunc(queue, func(x, y dmap.Split) int { return int(x.From.Offset - y.From.Offset) })
	}
	return g.twice(func(bucket *blob.Bucket) error {
		one, ended, err := sink.Bucket[int](bucket, "out").JoinShared(context.Background(), sharedSpec(), h.Era())
		if err != nil || ended != nil {
			return err
		}
		_, err = one.Finish(context.Background(), dmap.Ending{Stats: dmap.Stats{Reason: "succeeded"}})
		return err
	})
}

// take takes the first items out of the queue.
func (g *sharedGame) take(queue *[]dmap.Split) []dmap.Split {
	first := (*queue)[0]
	if at := first.From.Offset + int64(5+g.roll(20)); at < first.To.Offset {
		(*queue)[0].From.Offset, first.To.Offset = at, at
		return []dmap.Split{first}
	}
	*queue = (*queue)[1:]
	return []dmap.Split{first}
}

// leaseEnd is a lease that an owner has returned.
type leaseEnd struct {
	ref  lease.Ref
	rest []dmap.Split
	ok   bool // false: no owner has
}

// lease gives a lease to one owner after the other, until one returns it.
func (g *sharedGame) lease(ref lease.Ref, splits []dmap.Split) leaseEnd {
	for ref.Attempt = 1; ref.Attempt <= 12; ref.Attempt++ {
		returned := make(chan []dmap.Split, 1)
		now := ref
		g.all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20+g.roll(400))*time.Millisecond)
			defer cancel()
			if g.roll(2) == 0 {
				ctx = context.Background()
			}
			lane, err := work(ctx, g.bucket(80), now, &g.calls, splits...)
			if err != nil && (errors.Is(err, dmap.ErrFenced) || !errors.Is(err, context.DeadlineExceeded) && g.roll(2) == 0) {
				return // nobody hears of it
			}
			if end, err := lane.Outcome(context.Background()); err == nil {
				returned <- end.Rest
			}
		})
		select {
		case rest := <-returned:
			return leaseEnd{ref, rest, true}
		case <-time.After(time.Duration(1+g.roll(5)) * time.Second): // the host believes that the owner is dead
			g.event("lost")
		}
	}
	return leaseEnd{}
}

// absorb takes leases in, twice at once now and then.
func (g *sharedGame) absorb(era int64, refs []lease.Ref) error {
	return g.twice(func(bucket *blob.Bucket) error {
		one, ended, err := sink.Bucket[int](bucket, "out").JoinShared(context.Background(), sharedSpec(), era)
		if err != nil || ended != nil {
			return err
		}
		return errors.Join(one.Absorb(context.Background(), refs, time.Second), one.Close())
	})
}

// twice does a step of a host until it succeeds, several times at once now and then.
func (g *sharedGame) twice(step func(*blob.Bucket) error) (err error) {
	for range 5 {
		second := make(chan error, 1)
		both := g.roll(3) == 0
		if both {
			bucket := g.bucket(60)
			g.all.Go(func() { second <- step(bucket) })
		}
		if err = step(g.bucket(60)); err == nil || errors.Is(err, dmap.ErrFenced) {
			return err
		}
		if both {
			if err = <-second; err == nil || errors.Is(err, dmap.ErrFenced) {
				return err
			}
		}
	}
	return err
}

// local is a Map that takes the run over, and may be interrupted.
func (g *sharedGame) local() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(50+g.roll(1000))*time.Millisecond)
	defer cancel()
	_, err := job(ctx, g.bucket(100), int(g.items), &g.calls)
	return err
}

// play plays until the run has ended.
func (g *sharedGame) play() {
	for round := 0; ; round++ {
		if _, err := results.Load(g.t.Context(), g.inner, "out", "r"); err == nil {
			if m, _ := results.Load(g.t.Context(), g.inner, "out", "r"); m.Status != results.Open {
				break
			}
		}
		if round == 30 {
			g.all.Wait()
			_, err := job(g.t.Context(), g.inner, int(g.items), &g.calls)
			require.NoError(g.t, err)
			break
		}
		act := g.host
		if g.roll(3) == 0 {
			act = g.local
		}
		if g.roll(3) == 0 {
			g.all.Go(func() { _ = act() })
			time.Sleep(time.Duration(g.roll(3000)) * time.Millisecond)
			g.event("side by side")
			continue
		}
		g.event(fmt.Sprintf("acts %v", act() == nil))
	}
	g.all.Wait()
}

// Hosts, owners and local processes die, stall and come back at any operation. Nothing is lost, and
// nothing counts twice.
func TestSharedRunsNeverLoseOrDouble(t *testing.T) {
	seen := map[string]int{}
	play := func(t *testing.T, inner *blob.Bucket, seed uint64) {
		g := &sharedGame{t: t, inner: inner, items: 120, dice: rand.New(rand.NewPCG(seed, 1)), seen: seen}
		g.play()
		exactRecords(t, inner, int(g.items))
	}
	t.Run("mem", func(t *testing.T) {
		games := testsize.Sizes{Short: 4, Race: 3, Usual: 40, Long: 1000}.Now()
		for n := 0; n < games || n < games+100 && (seen["lost"] == 0 || seen["acts true"] == 0); n++ {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			synctest.Test(t, func(t *testing.T) { play(t, memory(t), seed) })
		}
	})
	t.Run("file", func(t *testing.T) {
		for range (testsize.Sizes{Short: 1, Race: 1, Usual: 5, Long: 300}).Now() {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
				require.NoError(t, err)
				defer bucket.Close()
				play(t, bucket, seed)
			})
		}
	})
	t.Log(seen)
	require.Positive(t, seen["lost"])
	require.Positive(t, seen["acts true"])
}
