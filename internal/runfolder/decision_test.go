package runfolder_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

func TestADecisionThatIsTooLargeIsNoDecision(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	text := strings.Repeat(" ", runfolder.MaxDecision)
	require.NoError(t, bucket.WriteAll(t.Context(), "k", []byte(text+" "), nil))
	d, why, err := runfolder.LoadDecision(t.Context(), bucket, "k", "item")
	require.NoError(t, err)
	require.Nil(t, d)
	require.ErrorContains(t, why, "it has 65537 bytes, at most 65536 are allowed")
	require.NoError(t, bucket.WriteAll(t.Context(), "k", []byte(text[:len(text)-2]+"{}"), nil))
	_, why, err = runfolder.LoadDecision(t.Context(), bucket, "k", "item")
	require.NoError(t, err)
	require.ErrorContains(t, why, `its id is ""`)
}

func TestADecisionInAStoreThatNeverAnswersIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := dmaptest.NewFaultBucket(t, memblob.OpenBucket(nil))
		for _, op := range []dmaptest.Op{dmaptest.OpOpen, dmaptest.OpAttributes} {
			bucket.Inject(dmaptest.Fault{Op: op, Kind: dmaptest.Stall, Sticky: true})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		_, why, err := runfolder.LoadDecision(ctx, bucket.Bucket, "k", "item")
		require.NoError(t, why)
		require.ErrorIs(t, err, transient.ErrStalled)
		require.LessOrEqual(t, time.Since(began), transient.Patience+transient.Stall)
	})
}
