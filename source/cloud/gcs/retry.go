package gcs

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
)

// The SDK repeats a request that the service could not answer, by default until its context ends.
// The callers of dmap repeat it too, so the SDK does so for a short time only, and its error has
// the last answer.
const (
	retryFor    = 8 * time.Second
	firstWait   = 200 * time.Millisecond
	longestWait = 2 * time.Second
)

func limitRetries(client *storage.Client) {
	client.SetRetry(
		storage.WithMaxRetryDuration(retryFor),
		storage.WithBackoff(gax.Backoff{Initial: firstWait, Max: longestWait, Multiplier: 2}),
		storage.WithErrorFuncWithContext(again),
	)
}

// again reports whether the SDK repeats a request. The time of uploads has no limit in the SDK,
// which calls again for them without a context: who writes the object repeats them.
func again(err error, request *storage.RetryContext) bool {
	return request != nil && (storage.ShouldRetry(err) || noAnswer(err))
}

// noAnswer reports whether an answer with a good status has no body, or half of one.
func noAnswer(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF)
}
