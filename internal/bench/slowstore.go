package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"github.com/go-dmap/dmap/source"
)

// slowStore is a store of one object. It implements the part of the S3 protocol that reading
// needs, and limits the bytes per second of each connection.
type slowStore struct {
	object   repeated
	requests atomic.Int64
	server   *httptest.Server
}

// repeated is a large object that takes little memory: head, followed by body repeated.
type repeated struct {
	head, body []byte
	times      int64
}

func (r repeated) size() int64 { return int64(len(r.head)) + r.times*int64(len(r.body)) }

func (r repeated) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) && at < r.size() {
		from := r.head
		i := at
		if i >= int64(len(r.head)) {
			from, i = r.body, (i-int64(len(r.head)))%int64(len(r.body))
		}
		copied := copy(p[n:], from[i:])
		n, at = n+copied, at+int64(copied)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

const (
	slowBucket = "bucket"
	slowKey    = "large"
)

// openSlowStore serves object with perSecond bytes per second for each connection, and returns it
// as a bucket. Each request waits for latency before its answer.
func openSlowStore(ctx context.Context, object repeated, perSecond int64, latency time.Duration) (*slowStore, *blob.Bucket, error) {
	s := &slowStore{object: object}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if !strings.HasSuffix(r.URL.Path, "/"+slowKey) {
			http.NotFound(w, r)
			return
		}
		time.Sleep(latency)
		w.Header().Set("ETag", `"the-only-one"`)
		http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), io.NewSectionReader(object, 0, object.size()))
	}))
	s.server.Listener = slowListener{s.server.Listener, perSecond}
	s.server.Start()
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.server.URL), UsePathStyle: true,
		Credentials: aws.AnonymousCredentials{},
	})
	bucket, err := s3blob.OpenBucket(ctx, client, slowBucket, nil)
	if err != nil {
		s.server.Close()
	}
	return s, bucket, err
}

// ifMatch describes the one feature that reading in parts needs. Users get it from package
// source/cloud.
var ifMatch = source.StoreFeatures{IfMatch: func(as func(any) bool, etag string) bool {
	var in *s3.GetObjectInput
	if !as(&in) {
		return false
	}
	in.IfMatch = aws.String(etag)
	return true
}}

// slowListener limits the bandwidth of each connection.
type slowListener struct {
	net.Listener
	perSecond int64
}

func (l slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: conn, perSecond: l.perSecond}, nil
}

// slowConn writes at a constant rate. Idle time does not allow a burst afterwards.
type slowConn struct {
	net.Conn
	perSecond int64
	next      time.Time // time of the next write
}

// slowWrite is the number of bytes written at once: 3 ms at 80 MB/s, more than the error of a
// timer.
const slowWrite = 256 << 10

func (c *slowConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		now := time.Now()
		if c.next.Before(now.Add(-10 * time.Millisecond)) { // idle, not only woken late
			c.next = now
		}
		time.Sleep(c.next.Sub(now))
		var k int
		k, err = c.Conn.Write(p[n:min(n+slowWrite, len(p))])
		n += k
		c.next = c.next.Add(time.Duration(int64(k) * int64(time.Second) / c.perSecond))
	}
	return n, err
}

// block repeats the output of row up to about 1 MiB, and returns the number of rows.
func block(row func(b *bytes.Buffer, i int)) (body []byte, rows int64) {
	var b bytes.Buffer
	for b.Len() < 1<<20 {
		row(&b, int(rows))
		rows++
	}
	return b.Bytes(), rows
}
