package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// keyServer implements ListObjectsV2 of the S3 protocol over generated keys. It waits for latency
// before each answer, for any number of concurrent requests.
type keyServer struct {
	keys    []string // in order
	latency time.Duration
	served  atomic.Int64 // requests
}

// maxPage is the largest page of S3.
const maxPage = 1000

// servedPath is the URL path that returns the number of listing requests.
const servedPath = "/-/served"

func (s *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == servedPath {
		fmt.Fprint(w, s.served.Load())
		return
	}
	s.served.Add(1)
	wait := time.NewTimer(s.latency)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
		return
	}
	query := r.URL.Query()
	if query.Get("list-type") != "2" || query.Get("delimiter") != "" {
		http.Error(w, "only listings without a delimiter", http.StatusNotImplemented)
		return
	}
	size, err := strconv.Atoi(query.Get("max-keys"))
	if err != nil || size < 1 || size > maxPage {
		size = maxPage
	}
	// A continuation token is the last key of the previous page.
	after := max(query.Get("start-after"), query.Get("continuation-token"))
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(s.page(query.Get("prefix"), after, size))
}

// page returns a page of the keys with a prefix that follow the key after.
func (s *keyServer) page(prefix, after string, size int) []byte {
	from, found := slices.BinarySearch(s.keys, max(prefix, after))
	if found && after >= prefix && after != "" {
		from++
	}
	to := from
	for to < len(s.keys) && to < from+size && strings.HasPrefix(s.keys[to], prefix) {
		to++
	}
	more := to < len(s.keys) && strings.HasPrefix(s.keys[to], prefix)
	var body bytes.Buffer
	body.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>`)
	fmt.Fprintf(&body, "<MaxKeys>%d</MaxKeys><KeyCount>%d</KeyCount><IsTruncated>%t</IsTruncated>", size, to-from, more)
	if more {
		element(&body, "NextContinuationToken", s.keys[to-1])
	}
	for i := from; i < to; i++ {
		body.WriteString("<Contents>")
		element(&body, "Key", s.keys[i])
		body.WriteString("<LastModified>2025-01-01T00:00:00.000Z</LastModified>" +
			"<ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>1024</Size><StorageClass>STANDARD</StorageClass></Contents>")
	}
	body.WriteString("</ListBucketResult>")
	return body.Bytes()
}

func element(w *bytes.Buffer, name, text string) {
	w.WriteString("<" + name + ">")
	_ = xml.EscapeText(w, []byte(text)) // a bytes.Buffer returns no errors
	w.WriteString("</" + name + ">")
}

// served asks the server at address for the number of its listing requests.
func served(ctx context.Context, address string) (n float64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+servedPath, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = fmt.Fscan(answer.Body, &n)
	return n, err
}

// keysOf is the configuration of a server process.
type keysOf struct {
	Shape   string
	N       int64
	Latency time.Duration
}

// serveCase is the name that starts a server process instead of a case of a table.
const serveCase = "serve"

// serveKeys prints its address as one line, and serves until its standard input ends. That happens
// at the latest when the parent process ends.
func serveKeys(ctx context.Context, w io.Writer, r io.Reader, whatJSON string) error {
	var what keysOf
	if err := json.Unmarshal([]byte(whatJSON), &what); err != nil {
		return fmt.Errorf("-child: %w", err)
	}
	i := slices.IndexFunc(shapes, func(s shape) bool { return s.name == what.Shape })
	if i < 0 {
		return fmt.Errorf("no shape %q", what.Shape)
	}
	handler := &keyServer{keys: shapes[i].keys(int(what.N)), latency: what.Latency}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	fmt.Fprintf(w, "http://%s\n", listener.Addr())
	_, err = io.Copy(io.Discard, r)
	err = errors.Join(err, server.Close())
	if failed := <-done; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// startKeys starts a process that serves keys, so that the CPU time and memory of the server are
// not measured.
func startKeys(ctx context.Context, table string, what keysOf) (address string, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	whatJSON, err := json.Marshal(what)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-case", serveCase, "-child", string(whatJSON), table)
	cmd.Stderr = os.Stderr
	life, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(life.Close(), cmd.Wait()) }
	if _, err := fmt.Fscanln(out, &address); err != nil {
		return "", nil, errors.Join(fmt.Errorf("key server: %w", err), stop())
	}
	return address, stop, nil
}
