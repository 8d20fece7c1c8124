package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
)

// The S3 server that the tests run against, installed once per machine and Go version.
const (
	gatewayModule  = "github.com/versity/versitygw/cmd/versitygw"
	gatewayVersion = "v1.8.0"
	guardEnv       = "DMAP_E2E_GUARD"
)

// accessKey and secretKey are new in each process, so that a test cannot use the server of another
// process. A child process shares the keys of its test.
var accessKey, secretKey = keys()

const keysEnv = "DMAP_E2E_KEYS"

func keys() (access, secret string) {
	if access, secret, shared := strings.Cut(os.Getenv(keysEnv), " "); shared {
		return access, secret
	}
	return rand.Text(), rand.Text()
}

// gateway is the server of this process, started on first use.
var gateway = sync.OnceValues(startGateway)

// server is a running versitygw. It stops when the stdin of its guard ends.
type server struct {
	url    string
	guard  *exec.Cmd
	stdin  io.Closer
	output *bytes.Buffer // printed text; read only after guard.Wait
}

// gatewayURL returns the address of the server. If the server cannot be installed or started, the
// test fails.
func gatewayURL(t *testing.T) string {
	t.Helper()
	s, err := gateway()
	if err != nil {
		t.Fatalf("start versitygw: %v", err)
	}
	return s.url
}

// installGateway returns the path of the server's binary, and builds it if it is not in the cache.
func installGateway(cache string) (string, error) {
	name := fmt.Sprintf("versitygw@%s-%s-%s-%s", gatewayVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	dir := filepath.Join(cache, "go-dmap", strings.ReplaceAll(name, " ", "_"))
	binary := filepath.Join(dir, "versitygw")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	build, err := os.MkdirTemp(dir, "build-") // beside the target: the rename below must not cross a file system
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(build) }()
	fmt.Fprintf(os.Stderr, "e2e: installing %s@%s into %s, once: about 2 minutes\n", gatewayModule, gatewayVersion, dir)
	install := exec.Command("go", "install", gatewayModule+"@"+gatewayVersion)
	install.Dir = build // outside this Go workspace
	install.Env = append(os.Environ(), "GOBIN="+build, "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w (the first run needs the go command and a module proxy)\n%s", install, err, out)
	}
	// Concurrent installations each rename a complete file; the last one remains.
	if err := os.Rename(filepath.Join(build, filepath.Base(binary)), binary); err != nil {
		return "", err
	}
	return binary, nil
}

func startGateway() (*server, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	binary, err := installGateway(cache)
	if err != nil {
		return nil, err
	}
	var lost []error
	for range 5 { // another process may take the free port first
		s, err := startServer(binary)
		if err == nil {
			return s, nil
		}
		lost = append(lost, err)
	}
	return nil, errors.Join(lost...)
}

// startServer starts the server under a guard and waits until it is healthy.
func startServer(binary string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://127.0.0.1:" + port, guard: exec.Command(self), output: new(bytes.Buffer)}
	s.guard.Env = append(os.Environ(), guardEnv+"="+binary+"\n"+port, "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey, noSleepAtExit())
	s.guard.Stdout, s.guard.Stderr = s.output, s.output
	if s.stdin, err = s.guard.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.guard.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() { // ends with the guard; stop waits for it
		defer close(exited)
		_ = s.guard.Wait()
	}()
	err = s.healthy(exited)
	if err == nil {
		err = s.ours()
	}
	if err != nil {
		_ = s.stdin.Close()
		<-exited
		return nil, fmt.Errorf("%s on port %s: %w\n%s", binary, port, err, s.output)
	}
	stops = append(stops, func() {
		_ = s.stdin.Close()
		<-exited
	})
	return s, nil
}

// stops holds functions that stop the server; TestMain calls them.
var stops []func()

// healthy waits until the server answers.
func (s *server) healthy(exited <-chan struct{}) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		resp, err := client.Get(s.url + "/health")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-exited:
			return errors.New("the server exited")
		case <-deadline.C:
			return fmt.Errorf("the server is not healthy after 30 s: %w", err)
		case <-every.C:
		}
	}
}

// ours checks that the server on the port accepts our keys: a server of another process would not.
func (s *server) ours() error {
	b, err := blob.OpenBucket(context.Background(), s3URL(s.url, "no-such-bucket"))
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	_, err = b.IsAccessible(context.Background())
	return err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// guard is the main function of the guard process, which startServer starts from this test binary.
// It runs the server until its stdin ends, which happens even if the tests are killed. It leaves
// no process and no files.
func guard(command string) error {
	binary, port, _ := strings.Cut(command, "\n")
	dir, err := os.MkdirTemp("", "dmap-e2e-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, sub := range []string{"buckets", "meta"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// Store metadata in files: not every temporary folder supports extended attributes.
	gw := exec.CommandContext(ctx, binary, "--port", "127.0.0.1:"+port, "--quiet", "--keep-alive", "--health", "/health",
		"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "buckets"))
	gw.Stdout, gw.Stderr = os.Stdout, os.Stderr
	gw.Cancel = func() error { return gw.Process.Signal(os.Interrupt) }
	gw.WaitDelay = 3 * time.Second // then it is killed
	if err := gw.Start(); err != nil {
		return err
	}
	go func() { // ends with this process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := gw.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
