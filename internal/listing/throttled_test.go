package listing

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/requests"
	"github.com/go-dmap/dmap/internal/transient"
)

// busyCloud throttles until a time.
type busyCloud struct {
	*cloud
	until     time.Time
	throttled int
}

type slowDown struct{}

func (slowDown) Error() string     { return "reduce your request rate" }
func (slowDown) ErrorCode() string { return "SlowDown" }

func (c *busyCloud) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	if time.Now().Before(c.until) {
		if err := o.BeforeList(func(any) bool { return false }); err != nil {
			return nil, err
		}
		c.throttled++
		return nil, slowDown{}
	}
	return c.cloud.ListPaged(ctx, o)
}

func (c *busyCloud) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }
func (c *busyCloud) ErrorAs(err error, target any) bool { return errors.As(err, target) }

// A store may throttle for longer than six attempts take.
func TestAListingOutlastsAStoreThatThrottles(t *testing.T) {
	for busy, ends := range map[time.Duration]bool{time.Minute: false, time.Hour: true} {
		synctest.Test(t, func(t *testing.T) {
			inner, _ := newCloud(t, 2500)
			store := &busyCloud{cloud: inner, until: time.Now().Add(busy)}
			bucket := blob.NewBucket(store)
			defer bucket.Close()
			began := time.Now()
			var limits requests.Limits
			n := 0
			var last error
			for _, err := range After(requests.With(t.Context(), &limits), bucket, "", "") {
				if last = err; err == nil {
					n++
				}
			}
			if ends {
				require.ErrorContains(t, last, "reduce your request rate")
				require.Less(t, time.Since(began), transient.Patience+time.Minute)
			} else {
				require.NoError(t, last)
				require.Equal(t, 2500, n)
			}
			require.Greater(t, store.throttled, 6)
			require.EqualValues(t, store.throttled, limits.Listing.Throttled())
			require.Zero(t, limits.Reading.Throttled())
		})
	}
}
