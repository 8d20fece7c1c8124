package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

const (
	gocloudGet = "gocloud, bucket by URL"
	widenedGet = "gocloud, bucket by source/cloud/s3"
	ourGet     = "Object.ReadAll, bucket by source/cloud/s3"
)

var newConnections = countOf("connections")

// smallGets measures reading small objects of an S3 server in another process on this host, over
// HTTP without TLS.
func smallGets() []table {
	gets := func(calls int, n int64, delay time.Duration) table {
		return table{
			name: fmt.Sprintf("reads/s3-c%d", calls), unit: "GET",
			what: fmt.Sprintf("objects of 4 KiB from an S3 server that answers after %v; %d concurrent calls", delay, calls),
			n:    n, concurrency: calls, prepare: serveSmall(delay),
			figures: []figure{cpuMicros, newConnections, allocs, unitsPerSecond, addedMiB},
			base:    gocloudGet,
			cases: []benchCase{
				{name: "net/http", run: countConnections(getHTTP)},
				{name: "minio-go", run: countConnections(getMinio)},
				{name: "aws-sdk-go-v2", run: countConnections(getAWS)},
				{name: gocloudGet, run: countConnections(fromURL(blob.OpenBucket, readAll))},
				{name: widenedGet, run: countConnections(fromURL(openWidened(calls), readAll)), ours: true},
				{name: ourGet, run: countConnections(fromURL(openWidened(calls), readObject)), ours: true},
				{name: "Object.ReadInto, bucket by source/cloud/s3", run: countConnections(fromURL(openWidened(calls), readInto)), ours: true},
			},
			targets: []target{{of: ourGet, figure: cpuMicros, against: gocloudGet, most: 1}},
		}
	}
	thousand := gets(1000, 20_000, 20*time.Millisecond)
	thousand.targets = append(thousand.targets, target{of: ourGet, figure: newConnections, most: 2000, note: "two idle connections are kept for each call"})
	return []table{gets(1, 5_000, 0), thousand}
}

// addressFile is the name of the file that holds the address of the server of a table.
const addressFile = "address"

var smallModTime = time.Unix(1_700_000_000, 0).UTC()

// serveSmall starts the server in the parent process, which is not measured. It stops when ctx
// ends.
func serveSmall(delay time.Duration) func(ctx context.Context, dir string, _ int64) error {
	return func(ctx context.Context, dir string, _ int64) error {
		var opened atomic.Int64
		content := bytes.Repeat([]byte("x"), smallBytes)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/connections" {
				fmt.Fprint(w, opened.Load())
				return
			}
			if delay > 0 {
				select {
				case <-time.After(delay):
				case <-r.Context().Done():
				}
			}
			h := w.Header()
			h.Set("Content-Length", strconv.Itoa(len(content)))
			h.Set("Content-Type", "text/plain")
			h.Set("ETag", `"0123456789abcdef0123456789abcdef"`)
			h.Set("Last-Modified", smallModTime.Format(http.TimeFormat))
			_, _ = w.Write(content)
		}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		context.AfterFunc(ctx, server.Close)
		return os.WriteFile(filepath.Join(dir, addressFile), []byte(server.URL), 0o644)
	}
}

// countConnections adds the number of connections that a case opened.
func countConnections(get func(ctx context.Context, work workload, address string) (outcome, error)) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		address, err := os.ReadFile(filepath.Join(work.Dir, addressFile))
		if err != nil {
			return outcome{}, err
		}
		asking := &http.Client{Transport: new(http.Transport)}
		defer asking.CloseIdleConnections()
		before, err := connections(ctx, asking, string(address))
		if err != nil {
			return outcome{}, err
		}
		out, err := get(ctx, work, string(address))
		if err != nil {
			return outcome{}, err
		}
		after, err := connections(ctx, asking, string(address))
		out.Counts = map[string]float64{newConnections.name: float64(after - before)}
		return out, err
	}
}

func connections(ctx context.Context, client *http.Client, address string) (int, error) {
	text, err := get(ctx, client, address+"/connections")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, answer.Status)
	}
	data := make([]byte, max(0, answer.ContentLength))
	_, err = io.ReadFull(answer.Body, data)
	return data, err
}

func getHTTP(ctx context.Context, work workload, address string) (outcome, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * work.Concurrency}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	return readAllOf(ctx, work, func() func(context.Context, int64) (int, error) {
		return func(ctx context.Context, i int64) (int, error) {
			data, err := get(ctx, client, address+"/bucket/"+smallKey(i))
			return len(data), err
		}
	})
}

// getMinio uses minio-go's default transport, which keeps 16 idle connections to a host.
func getMinio(ctx context.Context, work workload, address string) (outcome, error) {
	client, err := minio.New(strings.TrimPrefix(address, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4("id", "secret", ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return outcome{}, err
	}
	return readAllOf(ctx, work, func() func(context.Context, int64) (int, error) {
		return func(ctx context.Context, i int64) (int, error) {
			object, err := client.GetObject(ctx, "bucket", smallKey(i), minio.GetObjectOptions{})
			if err != nil {
				return 0, err
			}
			defer object.Close()
			data, err := io.ReadAll(object)
			return len(data), err
		}
	})
}

func getAWS(ctx context.Context, work workload, address string) (outcome, error) {
	client := awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &address, UsePathStyle: true,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	})
	bucket := "bucket"
	return readAllOf(ctx, work, func() func(context.Context, int64) (int, error) {
		return func(ctx context.Context, i int64) (int, error) {
			key := smallKey(i)
			answer, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: &bucket, Key: &key})
			if err != nil {
				return 0, err
			}
			defer answer.Body.Close()
			return io.ReadFull(answer.Body, make([]byte, aws.ToInt64(answer.ContentLength)))
		}
	})
}

type opening func(ctx context.Context, url string) (*blob.Bucket, error)

func openWidened(calls int) opening {
	return func(ctx context.Context, url string) (*blob.Bucket, error) {
		return s3.OpenBucket(ctx, url, s3.Options{Calls: calls})
	}
}

func fromURL(open opening, reader bucketReader) func(context.Context, workload, string) (outcome, error) {
	return func(ctx context.Context, work workload, address string) (outcome, error) {
		for name, value := range map[string]string{
			"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		} {
			if err := os.Setenv(name, value); err != nil {
				return outcome{}, err
			}
		}
		query := url.Values{
			"region": {"us-east-1"}, "endpoint": {address}, "hostname_immutable": {"true"}, "use_path_style": {"true"},
			"response_checksum_validation": {"when_required"},
		}
		bucket, err := open(ctx, "s3://bucket?"+query.Encode())
		if err != nil {
			return outcome{}, err
		}
		defer bucket.Close()
		objects := make([]source.Object, smallCount)
		for i := range objects {
			objects[i] = source.Object{Key: smallKey(int64(i)), Size: smallBytes, ModTime: smallModTime}.In(bucket)
		}
		return readAllOf(ctx, work, reader(bucket, objects))
	}
}
