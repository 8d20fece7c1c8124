package sink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/internal/transient"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// silentRun is a run of 40 numbers: those that end in 7 fail. With holds, those that end in 9 wait
// for a decision.
func silentRun(ctx context.Context, bucket *blob.Bucket, redrive dmap.Redrive, holds bool) error {
	_, err := dmap.Map(ctx, upTo(40), func(ctx context.Context, n int) (int, error) {
		switch {
		case n%10 == 7:
			return 0, errBad
		case n%10 == 9 && holds && dmap.DecisionAt(ctx, 0) == nil:
			return 0, dmap.Hold("is it right?")
		}
		return n, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: 4, Tolerance: dmap.Tolerance{Percentage: 50}, Redrive: redrive},
		sink.Bucket[int](bucket, "out", sink.BucketOptions{PartBytes: 500}))
	if errors.Is(err, dmap.ErrHeld) && !errors.Is(err, transient.ErrStalled) {
		return nil
	}
	return err
}

// silentJobs are what works on the folder of a run, by name.
var silentJobs = map[string]func(context.Context, *blob.Bucket) error{
	"run": func(ctx context.Context, b *blob.Bucket) error { return silentRun(ctx, b, dmap.Redrive{}, false) },
	"redrive": func(ctx context.Context, b *blob.Bucket) error {
		return silentRun(ctx, b, dmap.Redrive{Max: 9, Tolerated: true}, false)
	},
	"approve": func(ctx context.Context, b *blob.Bucket) error {
		return results.Approve(ctx, b, "out", "r", results.Verdict{By: "me"}, "n@9")
	},
	"clean": func(ctx context.Context, b *blob.Bucket) error {
		_, err := results.Clean(ctx, b, "out", "r", results.CleanOptions{Open: true})
		return err
	},
	"read": func(ctx context.Context, b *blob.Bucket) error {
		_, _, err := results.List(ctx, b, "out", results.ListOptions{})
		m, loadErr := results.Load(ctx, b, "out", "r")
		if err = errors.Join(err, loadErr); err != nil {
			return err
		}
		_, err = results.Groups(ctx, b, m)
		for _, failed := range results.Failures(ctx, b, m) {
			err = errors.Join(err, failed)
		}
		for _, failed := range results.Held(ctx, b, m) {
			err = errors.Join(err, failed)
		}
		return err
	},
}

// A store that answers some operations and from then on none of a kind ends everything in time.
func TestNothingWaitsForEverForAStoreThatNeverAnswers(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("make test runs it without")
	}
	for name, job := range silentJobs {
		for _, op := range []dmaptest.Op{
			dmaptest.OpOpen, dmaptest.OpRead, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose,
			dmaptest.OpAttributes, dmaptest.OpDelete,
		} {
			for nth, hit := 1, true; hit; nth++ {
				hit = silentAt(t, fmt.Sprintf("%s, %s %d", name, op, nth), job, dmaptest.Fault{Op: op, Nth: nth})
			}
		}
	}
}

// silentAt runs a job over a store that does not answer from one operation on. It returns false if
// the job does not get there.
func silentAt(t *testing.T, what string, job func(context.Context, *blob.Bucket) error, fault dmaptest.Fault) (hit bool) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		fault.Kind, fault.Sticky = dmaptest.Stall, true
		if !strings.HasPrefix(what, "run,") {
			require.NoError(t, silentRun(t.Context(), inner, dmap.Redrive{}, !strings.HasPrefix(what, "redrive")))
		}
		for _, key := range []string{"out/r/FAILED_ABCDEFGHIJKLMNOP-000001.jsonl", "out/r/manifest-000.json.18abcdef.tmp"} {
			require.NoError(t, inner.WriteAll(t.Context(), key, nil, nil))
		}
		bucket := dmaptest.NewFaultBucket(t, inner)
		hits := bucket.Inject(fault)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 24*time.Hour, errors.New("it waits for ever"))
		defer cancel()
		began := time.Now()
		err := job(ctx, bucket.Bucket)
		took := time.Since(began)
		if hit = hits() > 0; !hit {
			require.NoError(t, err, what)
			return
		}
		if err != nil {
			require.ErrorIs(t, err, transient.ErrStalled, what)
		}
		require.LessOrEqual(t, took, 20*time.Minute, what)
	})
	require.False(t, t.Failed(), what)
	return hit
}
