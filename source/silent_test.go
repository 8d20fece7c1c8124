package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/transient"
	"github.com/go-dmap/dmap/source"
)

// longestSilence is the time that an operation on a store that never answers may take.
const longestSilence = transient.Patience + transient.Stall

// drained runs a map that does nothing over src, of which some items may fail.
func drained[T any](ctx context.Context, src dmap.Source[T], mayFail int64) error {
	_, err := dmap.Map(ctx, src, func(context.Context, T) (int, error) { return 0, nil },
		dmap.Options{MaxConcurrency: 4, Tolerance: dmap.Tolerance{Count: mayFail}})
	return err
}

// readWhole reads each object in the call.
func readWhole(ctx context.Context, src dmap.Source[source.Object]) error {
	_, err := dmap.Map(ctx, src, func(ctx context.Context, o source.Object) (int, error) {
		content, err := o.ReadAll(ctx)
		return len(content), err
	}, dmap.Options{MaxConcurrency: 4})
	return err
}

// silentJobs are runs over the objects of failedRun, by name, and the operations that each makes.
var silentJobs = map[string]struct {
	run func(context.Context, *blob.Bucket) error
	ops []dmaptest.Op
}{
	"objects": {
		func(ctx context.Context, b *blob.Bucket) error { return drained(ctx, source.Objects(b, "lines"), 0) },
		[]dmaptest.Op{dmaptest.OpList},
	},
	"objects that are read": {
		func(ctx context.Context, b *blob.Bucket) error { return readWhole(ctx, source.Objects(b, "lines")) },
		[]dmaptest.Op{dmaptest.OpList, dmaptest.OpOpen, dmaptest.OpRead},
	},
	"keys": {
		func(ctx context.Context, b *blob.Bucket) error {
			return drained(ctx, source.Keys(b, []string{"lines.jsonl"}), 0)
		},
		[]dmaptest.Op{dmaptest.OpAttributes},
	},
	"json lines": {
		func(ctx context.Context, b *blob.Bucket) error {
			return drained(ctx, source.JSONLines[map[string]any](b, "lines.jsonl"), 0)
		},
		[]dmaptest.Op{dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead},
	},
	"csv": {
		func(ctx context.Context, b *blob.Bucket) error {
			return drained(ctx, source.CSV(b, "rows.csv", source.Strings), 0)
		},
		[]dmaptest.Op{dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead},
	},
	"json array": {
		func(ctx context.Context, b *blob.Bucket) error {
			return drained(ctx, source.JSONArray[int](b, "array.json"), 0)
		},
		[]dmaptest.Op{dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead},
	},
	"rows of all objects": {
		func(ctx context.Context, b *blob.Bucket) error {
			rows := func(o source.Object) dmap.Source[map[string]any] {
				return source.JSONLines[map[string]any](b, o.Key)
			}
			return drained(ctx, source.Flatten(source.Objects(b, "lines"), rows), 0)
		},
		[]dmaptest.Op{dmaptest.OpList, dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead},
	},
	"failures": {
		func(ctx context.Context, b *blob.Bucket) error {
			return drained(ctx, source.Failures[number](b, ownManifest), 1)
		},
		[]dmaptest.Op{dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead},
	},
}

// A store that never answers one kind of operation ends a run in time, whatever its source is.
func TestASourceGivesUpAStoreThatNeverAnswers(t *testing.T) {
	for name, job := range silentJobs {
		for _, op := range []dmaptest.Op{dmaptest.OpList, dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead} {
			t.Run(fmt.Sprint(name, " ", op), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					inner := failedRun(t, "first")
					for key, text := range map[string]string{"rows.csv": "a\n1\n", "array.json": "[1]"} {
						require.NoError(t, inner.WriteAll(t.Context(), key, []byte(text), nil))
					}
					bucket := dmaptest.NewFaultBucket(t, inner)
					bucket.Inject(dmaptest.Fault{Op: op, Kind: dmaptest.Stall, Sticky: true})
					ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("the run waits for ever"))
					defer cancel()
					began := time.Now()
					err := job.run(ctx, bucket.Bucket)
					if !slices.Contains(job.ops, op) {
						require.NoError(t, err)
						require.Zero(t, bucket.Calls(op))
						return
					}
					require.ErrorIs(t, err, source.ErrStalled)
					require.GreaterOrEqual(t, time.Since(began), transient.Stall)
					require.LessOrEqual(t, time.Since(began), longestSilence)
				})
			})
		}
	}
}

// silentCloud answers the first requests for pages.
type silentCloud struct {
	*cloud
	answers, asked atomic.Int64
}

func (c *silentCloud) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	if c.asked.Add(1) <= c.answers.Load() {
		return c.cloud.ListPaged(ctx, o)
	}
	if err := o.BeforeList(func(any) bool { return false }); err != nil {
		return nil, err
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// The same for a cloud that is listed page after page, or in ranges.
func TestListersGiveUpAStoreThatNeverAnswers(t *testing.T) {
	for _, listers := range []int{1, 2, 32} {
		for _, answers := range []int64{0, 1, 9} {
			synctest.Test(t, func(t *testing.T) {
				c := &silentCloud{cloud: &cloud{keys: shape("uuid", 20_000), latency: time.Second}}
				c.answers.Store(answers)
				bucket := blob.NewBucket(c)
				defer bucket.Close()
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("the run waits for ever"))
				defer cancel()
				began := time.Now()
				err := drained(ctx, source.Objects(bucket, "", source.ObjectsOptions{Store: seekable, Listers: listers}), 0)
				require.ErrorIs(t, err, source.ErrStalled, "%d listers, %d answers", listers, answers)
				require.LessOrEqual(t, time.Since(began), time.Duration(answers)*time.Second+longestSilence)
				require.Greater(t, c.asked.Load(), answers+1, "a page that did not come is asked for again")
			})
		}
	}
}
