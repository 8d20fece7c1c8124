package sharedrun

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/source"
)

func TestLeasesShareTheRequestsForTheirOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memblob.OpenBucket(nil)
		defer inner.Close()
		faults := dmaptest.NewFaultBucket(t, inner)
		var requests atomic.Int64
		faults.Watch(func(c dmaptest.Call, ended bool) {
			if !ended && c.Op == dmaptest.OpOpen {
				requests.Add(1)
			}
		})
		m := newMachine(t, faults.Bucket, "r", source.Slice([]int{1}))
		_, _, ok, err := m.Orders(t.Context(), 4)
		require.NoError(t, err)
		require.False(t, ok, "there are none")
		require.NoError(t, m.Show(t.Context(), 4, 1, coord.Orders{Grant: lease.Grant{Usual: 7}}))

		requests.Store(0)
		var leases sync.WaitGroup
		for i := range 100 {
			leases.Go(func() {
				time.Sleep(fresh + time.Duration(i)*10*time.Millisecond)
				for range 10 {
					orders, version, ok, err := m.Orders(t.Context(), 4)
					if err != nil || !ok || version != 1 || orders.Usual != 7 {
						t.Errorf("%v %d %v %v", orders, version, ok, err)
					}
					time.Sleep(time.Second)
				}
			})
		}
		leases.Wait()
		require.LessOrEqual(t, requests.Load(), int64(2*11+1))
		require.GreaterOrEqual(t, requests.Load(), int64(10))

		require.NoError(t, m.Show(t.Context(), 4, 2, coord.Orders{Grant: lease.Grant{Usual: 3}}))
		time.Sleep(fresh)
		_, version, ok, err := m.Orders(t.Context(), 4)
		require.NoError(t, err)
		require.True(t, ok)
		require.EqualValues(t, 2, version)
		_, _, ok, err = m.Orders(t.Context(), 5)
		require.NoError(t, err)
		require.False(t, ok, "they are of another era")
	})
}
