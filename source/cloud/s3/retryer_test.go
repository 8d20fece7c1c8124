package s3_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

func TestTheSDKRepeatsTransientErrorsButNoThrottledRequests(t *testing.T) {
	asUser(t)
	for _, test := range []struct {
		status, requests int
		code             string
	}{
		{http.StatusServiceUnavailable, 1, "SlowDown"}, {http.StatusTooManyRequests, 1, "TooManyRequests"},
		{http.StatusInternalServerError, 3, "InternalError"},
	} {
		var requests atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte("<Error><Code>" + test.code + "</Code></Error>"))
		}))
		bucket, err := s3.OpenBucket(t.Context(), urlOf(server.URL), s3.Options{})
		require.NoError(t, err)
		_, err = bucket.ReadAll(t.Context(), "key")
		require.Error(t, err)
		require.EqualValues(t, test.requests, requests.Load(), test.code)
		require.Equal(t, test.requests == 1, dmap.IsThrottled(err), test.code)
		require.NoError(t, bucket.Close())
		server.Close()
	}
}

// rateLimited counts the tokens of attempts, like the retry mode "adaptive".
type rateLimited struct {
	aws.RetryerV2
	tokens atomic.Int64
}

func (r *rateLimited) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	r.tokens.Add(1)
	return r.RetryerV2.GetAttemptToken(ctx)
}

func TestTheRateLimitOfTheSDKHolds(t *testing.T) {
	s := newServer(t)
	limited := &rateLimited{RetryerV2: retry.NewStandard()}
	client := s3.Client(awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &s.URL, UsePathStyle: true, Retryer: limited,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	}), 10)
	_, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("bucket")})
	require.NoError(t, err)
	require.EqualValues(t, 1, limited.tokens.Load())
}
