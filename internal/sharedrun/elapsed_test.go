package sharedrun

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/source"
)

// A total budget of time is spent also by hosts whose leases have returned nothing.
func TestTheRecordsHaveTheTimeOfEachHost(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	m := newMachine(t, bucket, "r", source.Slice([]int{1, 2}))
	begin := func() Begun {
		b, err := m.Begin(t.Context(), lease.Starter{}, nil)
		require.NoError(t, err)
		return b
	}
	leave := func(era int64, elapsed time.Duration) error {
		_, err := m.Finish(t.Context(), era, coord.End{Why: coord.Suspended, Elapsed: elapsed}, dmap.Tolerance{})
		return err
	}

	b := begin()
	require.ErrorIs(t, leave(b.Era, 3*time.Second), ErrOpen)
	require.Error(t, leave(b.Era, 3*time.Second), "an engine may run a step again")
	b = begin()
	require.Equal(t, 3*time.Second, b.Before.Elapsed)

	lost := coord.AbsorbTask{Task: 1, Leases: []coord.Finished{{Lease: b.Next, Attempts: 1, Unreported: true}}, Elapsed: 2 * time.Second}
	for range 2 {
		_, err := m.Absorb(t.Context(), b.Era, lost)
		require.NoError(t, err)
	}
	require.ErrorIs(t, leave(b.Era, time.Second), ErrOpen)
	require.Equal(t, 6*time.Second, begin().Before.Elapsed)
}
