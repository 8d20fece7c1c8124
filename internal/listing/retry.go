package listing

import (
	"context"
	"time"

	"github.com/go-dmap/dmap/internal/transient"
)

// A page that fails would end a run of millions of objects. The SDKs of the clouds try three times within about a second;
// a busy store may need longer.
const (
	pageAttempts = 6
	firstWait    = 250 * time.Millisecond
)

// retryPage asks for a page until it comes, fails for good, or has failed pageAttempts times. It repeats unexplained errors
// too: asking once more changes nothing in the store, and GCS and Azure do not explain most of their errors.
func retryPage(ctx context.Context, ask func() page) (p page) {
	retry := transient.Retry{
		Attempts: pageAttempts,
		Backoff:  transient.Backoff{First: firstWait},
		Again:    func(err error) bool { return !p.final && transient.Classify(err) != transient.Permanent },
	}
	_, _ = retry.Do(ctx, func() error { // the page carries the error
		p = ask()
		return p.err
	})
	return p
}
