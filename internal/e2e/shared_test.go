package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
)

// numbers are parts of the numbers from 0 on, which are the source of a shared run.
type numbers []dmap.Split

func (numbers) String() string { return "numbers" }

func (n numbers) Items(ctx context.Context) iter.Seq2[dmap.Item[int64], error] {
	return n.read(ctx, n[0])
}

func (n numbers) Plan() dmap.Plan[int64] {
	return dmap.Plan[int64]{Read: n.read, Splits: func(context.Context) iter.Seq2[dmap.Split, error] {
		return func(yield func(dmap.Split, error) bool) {
			for _, s := range n {
				if !yield(s, nil) {
					return
				}
			}
		}
	}}
}

func (numbers) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int64], error] {
	return func(yield func(dmap.Item[int64], error) bool) {
		for i := s.From.Offset; i < s.To.Offset; i++ {
			if !yield(dmap.Item[int64]{Key: "n", Offset: i, Value: i, Next: dmap.Cursor{Offset: i + 1}}, ctx.Err()) {
				return
			}
		}
	}
}

func numbersFrom(from, to int64) dmap.Split {
	return dmap.Split{ID: "all", From: dmap.Cursor{Offset: from}, To: dmap.Cursor{Offset: to}}
}

// sharedRun is a run of numbers in one bucket.
type sharedRun struct {
	bucket *blob.Bucket
	id     string
	items  int64
}

func (r sharedRun) spec() dmap.RunSpec {
	return dmap.RunSpec{RunID: r.id, Source: numbers{}.String(), Started: time.Now(), Options: dmap.Options{RunID: r.id}}
}

// process processes some numbers with a sink.
func (r sharedRun) process(ctx context.Context, to dmap.Sink[int64], splits ...dmap.Split) error {
	_, err := dmap.Map(ctx, numbers(splits), func(context.Context, int64) (int64, error) {
		<-time.After(time.Millisecond)
		return 0, nil
	}, dmap.Options{RunID: r.id, MaxConcurrency: 4, CommitEvery: 5 * time.Millisecond}, to)
	return err
}

// owner works on an attempt at a lease. Its process may die at an operation of the bucket, or stall
// there for a while, and come back after the next attempt has begun.
func (r sharedRun) owner(t *testing.T, ref lease.Ref, splits []dmap.Split) ([]dmap.Split, error) {
	faults := dmaptest.NewFaultBucket(t, r.bucket)
	at, dies := 1+rand.Int64N(60), rand.IntN(2) == 0
	if ref.Attempt > 3 {
		at = 1 << 40
	}
	var seen atomic.Int64
	faults.Watch(func(_ dmaptest.Call, ended bool) {
		switch n := seen.Add(1); {
		case ended || n < at:
		case dies && n == at:
			for _, op := range []dmaptest.Op{dmaptest.OpOpen, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpClose, dmaptest.OpAttributes} {
				faults.Inject(dmaptest.Fault{Op: op, Sticky: true})
			}
		case n == at:
			<-time.After(50 * time.Millisecond) // the store is real, so is the time
		}
	})
	lane := sink.Bucket[int64](faults.Bucket, "").Lane(lease.Lease{Ref: ref, Splits: splits})
	if err := r.process(t.Context(), lane, splits...); err != nil {
		return nil, err
	}
	end, err := lane.Outcome(t.Context())
	return end.Rest, err
}

// lease gives a lease to one owner after the other, and does not wait for one that is slow.
func (r sharedRun) lease(t *testing.T, ref lease.Ref, splits []dmap.Split, background *[]chan error) (lease.Ref, []dmap.Split) {
	for ref.Attempt = 1; ; ref.Attempt++ {
		rest := make(chan []dmap.Split, 1)
		ended := make(chan error, 1)
		*background = append(*background, ended)
		now := ref
		go func() {
			left, err := r.owner(t, now, splits)
			if err == nil {
				rest <- left
			}
			ended <- err
		}()
		patience := 20 * time.Millisecond
		if ref.Attempt > 3 {
			patience = 30 * time.Second
		}
		select {
		case left := <-rest:
			return ref, left
		case <-time.After(patience):
		}
	}
}

// host runs a host until it has given n leases, and takes in all but the last one.
func (r sharedRun) host(t *testing.T, n int, background *[]chan error) (era int64, left []dmap.Split) {
	h, ended, err := sink.Bucket[int64](r.bucket, "").BeginShared(t.Context(), r.spec(), lease.Starter{}, nil)
	require.NoError(t, err)
	require.Nil(t, ended)
	require.NoError(t, h.Close())
	left = unsettledNumbers(h.Progress(), r.items)
	var refs []lease.Ref
	for range n {
		if len(left) == 0 {
			break
		}
		splits := []dmap.Split{left[0]}
		if middle := left[0].From.Offset + 15; middle < left[0].To.Offset {
			splits[0].To.Offset, left[0].From.Offset = middle, middle
		} else {
			left = left[1:]
		}
		ref, rest := r.lease(t, lease.Ref{Lease: h.NextLease() + int64(len(refs)), Era: h.Era()}, splits, background)
		refs, left = append(refs, ref), append(left, rest...)
	}
	one, _, err := sink.Bucket[int64](r.bucket, "").JoinShared(t.Context(), r.spec(), h.Era())
	require.NoError(t, err)
	require.NoError(t, one.Absorb(t.Context(), refs[:len(refs)-1], 0))
	require.NoError(t, one.Close())
	return h.Era(), left
}

func unsettledNumbers(p journal.Progress, items int64) []dmap.Split {
	u := dmap.Unread{All: true}
	for _, v := range p.Settled {
		u.Settled = append(u.Settled, dmap.Split{ID: v.Split, From: dmap.Cursor(v.From), To: dmap.Cursor(v.To)})
	}
	return u.Remaining()(numbersFrom(0, items))
}

// requireOnce reads the manifest and its parts without the code that wrote them.
func (r sharedRun) requireOnce(t *testing.T) {
	var m manifest
	require.NoError(t, json.Unmarshal([]byte(read(t, r.bucket, r.id+"/manifest-000.json")), &m))
	require.Equal(t, "SUCCEEDED", m.Status)
	require.EqualValues(t, r.items, m.Stats.Read)
	times := make([]int, r.items)
	for _, p := range m.ResultFiles["SUCCEEDED"] {
		for line := range strings.Lines(read(t, r.bucket, p.Key)) {
			var record struct{ Offset int64 }
			require.NoError(t, json.Unmarshal([]byte(line), &record))
			times[record.Offset]++
		}
	}
	for n, count := range times {
		require.Equal(t, 1, count, "number %d", n)
	}
}

// A run that hosts and local processes share on a real store, while owners of leases die, stall and
// come back, has each result once.
func TestSharedRunsOnEachStoreHaveEachResultOnce(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		bucket := s.bucket(t)
		for n := range (testsize.Sizes{Usual: 1, Long: 40}).Now() {
			r := sharedRun{bucket: bucket, id: fmt.Sprintf("shared-%d", n), items: 120}
			var background []chan error
			r.host(t, 3, &background)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_ = r.process(ctx, sink.Bucket[int64](bucket, ""), numbersFrom(0, r.items))
			cancel()
			era, left := r.host(t, 100, &background)
			require.Empty(t, left)
			one, _, err := sink.Bucket[int64](bucket, "").JoinShared(t.Context(), r.spec(), era)
			require.NoError(t, err)
			_, err = one.Finish(t.Context(), dmap.Ending{Stats: dmap.Stats{Reason: "succeeded"}})
			require.NoError(t, err)
			fenced := 0
			for _, ended := range background {
				if errors.Is(<-ended, dmap.ErrFenced) {
					fenced++
				}
			}
			t.Logf("%d owners, %d of them fenced", len(background), fenced)
			r.requireOnce(t)
		}
	})
}
