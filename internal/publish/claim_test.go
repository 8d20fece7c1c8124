package publish_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/publish"
)

func TestAClaimFindsOutWhetherTheStoreReplacesObjects(t *testing.T) {
	stores(t, func(t *testing.T, bucket *dmaptest.FaultBucket) {
		require.NoError(t, publish.Claim(t.Context(), bucket.Bucket, "k", text, []byte("one")))
		require.ErrorIs(t, publish.Claim(t.Context(), bucket.Bucket, "k", text, []byte("two")), publish.ErrExists)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Nth: 2, Kind: dmaptest.Overwrite})
		err := publish.Claim(t.Context(), bucket.Bucket, "l", text, []byte("one"))
		require.ErrorIs(t, err, publish.ErrNotExclusive)
		require.ErrorContains(t, err, `"l"`)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Nth: 2, Err: syscall.ECONNRESET})
		require.NoError(t, publish.Claim(t.Context(), bucket.Bucket, "m", text, []byte("one")), "the probe is repeated")
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Nth: 1, Kind: dmaptest.Lost, Err: syscall.ECONNRESET})
		require.NoError(t, publish.Claim(t.Context(), bucket.Bucket, "n", text, []byte("one")), "the answer to the first write got lost")
	})
}

// A store that looks and then writes lets two racing writers succeed. The later one has replaced
// the object of the other, who finds that out.
func TestAClaimFindsOutThatItsObjectWasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := faulty(t)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Nth: 2, Kind: dmaptest.Slow, Delay: time.Minute / 2})
		go func() {
			time.Sleep(time.Second)
			if err := bucket.Bucket.WriteAll(t.Context(), "k", []byte("two"), nil); err != nil {
				t.Error(err)
			}
		}()
		require.ErrorIs(t, publish.Claim(t.Context(), bucket.Bucket, "k", text, []byte("one")), publish.ErrExists)
	})
}
