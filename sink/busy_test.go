package sink_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
)

// gcsBusy and azureBusy are what the SDKs of GCS and Azure return: errors with a field, and no
// method that says the status.
type (
	gcsBusy   struct{ Code int }
	azureBusy struct {
		StatusCode int
		ErrorCode  string
	}
)

func (e *gcsBusy) Error() string {
	return fmt.Sprintf("googleapi: Error %d: We encountered an internal error. Please try again.", e.Code)
}

func (e *azureBusy) Error() string {
	return fmt.Sprintf("RESPONSE %d: The server is busy.\nERROR CODE: %s", e.StatusCode, e.ErrorCode)
}

func failSome(_ context.Context, n int) (int, error) {
	if n%10 == 7 {
		return 0, errBad
	}
	return n, nil
}

// What a run writes into a cloud that is busy for ever ends within the limit of package transient,
// and its error has the last answer.
func TestWritesIntoACloudThatIsBusyForEverEnd(t *testing.T) {
	for cloud, busy := range map[string]struct {
		err  error
		says string
	}{
		"gcs":   {&gcsBusy{http.StatusServiceUnavailable}, "Error 503"},
		"azure": {&azureBusy{http.StatusServiceUnavailable, "ServerBusy"}, "RESPONSE 503"},
	} {
		for _, key := range []string{"run.json", "SUCCEEDED", "FAILED", "GROUPS", "commits/", "manifest"} {
			t.Run(cloud+" "+key, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bucket := dmaptest.NewFaultBucket(t, memory(t))
					hits := bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: key, Sticky: true, Err: busy.err, Code: gcerrors.Unknown})
					began := time.Now()
					_, err := dmap.Map(t.Context(), upTo(40), failSome, dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Percentage: 50}},
						sink.Bucket[int](bucket.Bucket, "out", sink.BucketOptions{PartBytes: 500}))
					require.Greater(t, hits(), 1, "it is tried again")
					require.LessOrEqual(t, time.Since(began), 9*time.Minute)
					if key == "GROUPS" && err == nil { // a run ends without its groups
						return
					}
					require.ErrorContains(t, err, busy.says)
				})
			})
		}
	}
}
