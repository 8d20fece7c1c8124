package sink_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/sink"
)

// The steps of a redrive on many machines read the end before it, and the record of the redrive,
// once in each process, however many steps there are.
func TestStepsOfARedriveReadTheEndBeforeItOnce(t *testing.T) {
	var calls atomic.Int64
	store := memblob.OpenBucket(nil)
	defer func() { require.NoError(t, store.Close()) }()
	first := share(t, store)
	_, err := work(t.Context(), store, lease.Ref{Lease: 0, Attempt: 1, Era: first.Era()}, &calls, piece(0, 40))
	require.NoError(t, err)
	finish(t, store, first.Era())

	bucket := dmaptest.NewFaultBucket(t, store)
	reads := map[string]int{} // of the large objects
	bucket.Watch(func(c dmaptest.Call, ended bool) {
		for _, name := range []string{"manifest", "redrive-"} {
			if c.Op == dmaptest.OpOpen && ended && c.Err == nil && strings.Contains(c.Key, name) {
				reads[name]++
			}
		}
	})
	s, spec := sink.Bucket[int](bucket.Bucket, "out"), sharedSpec()
	spec.Options.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
	h, ended, err := s.BeginShared(t.Context(), spec, lease.Starter{}, nil)
	require.NoError(t, err)
	require.Nil(t, ended)
	require.NoError(t, h.Close())
	clear(reads)
	for range 5 {
		h, ended, err := s.JoinShared(t.Context(), spec, h.Era())
		require.NoError(t, err)
		require.Nil(t, ended)
		p := h.Progress()
		require.Equal(t, 1, p.Redrive.Number)
		require.EqualValues(t, 4, p.Redrive.Items)
		require.Len(t, p.Lists(), 1)
		require.NoError(t, h.Close())
	}
	require.Equal(t, map[string]int{"manifest": 1, "redrive-": 1}, reads)

	other, ended, err := sink.Bucket[int](store, "out").JoinShared(t.Context(), spec, h.Era())
	require.NoError(t, err)
	require.Nil(t, ended)
	_, err = other.Finish(t.Context(), dmap.Ending{Stats: dmap.Stats{Reason: "canceled"}, Err: dmap.ErrCanceled})
	require.NoError(t, err)
	_, ended, err = s.JoinShared(t.Context(), spec, h.Era())
	require.NoError(t, err)
	require.NotNil(t, ended, "another process has ended the redrive")
	require.Equal(t, "canceled", ended.Stats.Reason)
	require.Equal(t, 1, ended.Stats.Redrives)
}
