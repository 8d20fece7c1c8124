package listing

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gocloud.dev/gcerrors"
)

// A page that fails would end a run of millions of objects. The SDKs of the clouds try three times within a second or so;
// a store that says that it is busy may need longer.
const (
	maxTries  = 6
	firstWait = 200 * time.Millisecond // doubled each time
)

// patiently asks for a page again if it failed for a reason that may pass.
func patiently(ctx context.Context, ask func() page) page {
	wait := firstWait
	for try := 1; ; try++ {
		p := ask()
		if p.err == nil || p.final || try == maxTries || !passing(p.err) || ctx.Err() != nil {
			return p
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return p
		}
		wait *= 2
	}
}

// passing says whether an error may go away: of a kind that stores use for being busy, and for all that they do not explain.
// A request that was answered with a refusal of the client's own doing is refused again.
func passing(err error) bool {
	var answer interface{ HTTPStatusCode() int } // of the AWS SDK
	if errors.As(err, &answer) {
		status := answer.HTTPStatusCode()
		return status/100 != 4 || status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooManyRequests
	}
	switch gcerrors.Code(err) {
	case gcerrors.Unknown, gcerrors.Internal, gcerrors.ResourceExhausted, gcerrors.DeadlineExceeded:
		return true
	default:
		return false
	}
}
