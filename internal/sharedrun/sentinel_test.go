package sharedrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// The words that the test plants, and looks for in all that a lease sends to its host.
const (
	plantedKey    = "k3yS3ntinel"
	plantedValue  = "v4lueS3ntinel"
	plantedSecret = "s3cr3tS3ntinel"
)

// sentinels is a run whose errors have keys, values and secrets.
func sentinels(t *testing.T, redact dmap.Redact) *Machine[source.Object, string] {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	for i := range 6 {
		require.NoError(t, bucket.WriteAll(t.Context(), fmt.Sprintf("in/%s-%d", plantedKey, i), []byte(plantedValue), nil))
	}
	job := Job[source.Object, string]{Sink: sink.Bucket[string](bucket, "out", sink.BucketOptions{Inputs: sink.InputsNone})}
	job.Source = source.Objects(bucket, "in/")
	job.Call = func(ctx context.Context, o source.Object) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		v, err := o.ReadAll(ctx)
		if err != nil {
			return "", err
		}
		if err := waitFor(ctx, time.Second); err != nil {
			return "", err
		}
		switch info.Key[len(info.Key)-1] {
		case '0', '1':
			panic("panic of " + string(v))
		case '2', '3':
			return "", fmt.Errorf("object %s: password=%s", info.Key, plantedSecret)
		default:
			return "", errors.New("no rate")
		}
	}
	job.Options = dmap.Options{RunID: "r", Redact: redact, Tolerance: dmap.Tolerance{Percentage: 100}, CommitEvery: 100 * time.Millisecond}
	m, err := New(job)
	require.NoError(t, err)
	return m
}

func waitFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sent runs the first lease of a run, and returns all that it sends, with the groups of failures of
// the last beat and of the step that absorbs it.
func sent(t *testing.T, m *Machine[source.Object, string]) (text string, beat, absorbed lease.Groups) {
	b, err := m.Begin(t.Context(), lease.Starter{}, nil)
	require.NoError(t, err)
	l := lease.Lease{Ref: lease.Ref{Attempt: 1, Era: b.Era}, Slots: 2, Failures: -1}
	for split, err := range m.plan.Splits(t.Context()) {
		require.NoError(t, err)
		l.Splits = append(l.Splits, split)
	}
	keep := func(v any) {
		out, err := json.Marshal(v)
		require.NoError(t, err)
		text += string(out) + "\n"
	}
	control, done := new(leaserun.Control), make(chan lease.Report, 1)
	go func() {
		report, err := m.Lease(t.Context(), l, control)
		if err != nil {
			t.Error(err)
		}
		report.Rest, report.Empty = nil, nil // splits are named by keys: the host must know them
		done <- report
	}()
	for ended := false; !ended; {
		select {
		case report := <-done:
			keep(report)
			ended = true
		case <-time.After(250 * time.Millisecond):
			if b, ok := control.Beat(); ok {
				beat = b.Failures
				keep(b)
			}
		}
	}
	found, err := m.Absorb(t.Context(), b.Era, coord.AbsorbTask{Task: 1, Leases: []coord.Finished{{Lease: l.Lease, Attempts: 1}}})
	require.NoError(t, err)
	keep(found)
	return text, beat, found.Failures
}

// Failures travel to the host of a run as they are stored: no values with InputsNone, no secrets,
// and neither keys nor texts that Options.Redact hides.
func TestALeaseSendsNothingThatIsHidden(t *testing.T) {
	hide := func(string) string { return "hidden" }
	for name, c := range map[string]struct {
		redact dmap.Redact
		words  []string
		groups int
	}{
		"values and secrets": {dmap.Redact{}, []string{plantedValue, plantedSecret}, 3},
		"keys":               {dmap.Redact{Key: hide}, []string{plantedValue, plantedSecret, plantedKey}, 3},
		"texts":              {dmap.Redact{Key: hide, Error: hide}, []string{plantedValue, plantedSecret, plantedKey, "rate"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text, beat, absorbed := sent(t, sentinels(t, c.redact))
				for _, word := range c.words {
					require.NotContains(t, text, word)
				}
				require.Equal(t, c.redact.Key == nil, strings.Contains(text, plantedKey), "calls have their keys without Redact.Key")
				require.EqualValues(t, 6, absorbed.Total())
				require.Len(t, absorbed, c.groups)
				require.Positive(t, beat.Total())
				require.NotEqual(t, failgroup.OtherID, absorbed[0].ID)
			})
		})
	}
}
