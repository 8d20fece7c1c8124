package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/go-dmap/dmap/dmap"
)

// openRetryer is the SDK's Retryer, but leaves throttled requests to dmap: it repeats them without
// an end of attempts, and slows the whole run down, which it cannot if the SDK hides the answers.
type openRetryer struct{ aws.Retryer }

func (r openRetryer) IsErrorRetryable(err error) bool {
	return !dmap.IsThrottled(err) && r.Retryer.IsErrorRetryable(err)
}

// GetAttemptToken keeps the rate limit of the retry mode "adaptive": the SDK asks only an
// aws.RetryerV2 for it.
func (r openRetryer) GetAttemptToken(ctx context.Context) (release func(error) error, err error) {
	if limited, ok := r.Retryer.(aws.RetryerV2); ok {
		return limited.GetAttemptToken(ctx)
	}
	return r.GetInitialToken(), nil
}
