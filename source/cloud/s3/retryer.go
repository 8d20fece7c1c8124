package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/go-dmap/dmap/dmap"
)

// openRetryer is the SDK's Retryer, but leaves throttled requests to dmap: it repeats them without
// an end of attempts, and slows the whole run down, which it cannot if the SDK hides the answers.
type openRetryer struct{ aws.Retryer }

func (r openRetryer) IsErrorRetryable(err error) bool {
	return !dmap.IsThrottled(err) && r.Retryer.IsErrorRetryable(err)
}

// open makes the SDK return throttled requests at once. options.Retryer is set in the options of
// every client.
func open(r aws.Retryer) aws.Retryer {
	if r == nil {
		return nil
	}
	return openRetryer{r}
}
