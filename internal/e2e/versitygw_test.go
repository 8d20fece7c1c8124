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

// accessKey and secretKey are new in each process, so that a test never talks to the server of another one; a process that a
// test starts shares those of the test.
var accessKey, secretKey = keys()

const keysEnv = "DMAP_E2E_KEYS"

func keys() (access, secret string) {
	if access, secret, shared := strings.Cut(os.Getenv(keysEnv), " "); shared {
		return access, secret
	}
	return rand.Text(), rand.Text()
}

// gateway is the one server of this process, started when first asked for.
var gateway = sync.OnceValues(startGateway)

// server is a running versitygw. It ends when its guard's stdin does.
type server struct {
	url   string
	guard *exec.Cmd
	stdin io.Closer
	said  *bytes.Buffer // what it printed; read only after guard.Wait
}

// gatewayURL is the server's address. There is no test without it: what cannot be installed or started fails.
func gatewayURL(t *testing.T) string {
	t.Helper()
	s, err := gateway()
	if err != nil {
		t.Fatalf("the real S3 server: %v", err)
	}
	return s.url
}

// installGateway returns the path of the server's binary, which it builds if no earlier run has.
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
	install.Dir = build // outside the workspace
	install.Env = append(os.Environ(), "GOBIN="+build, "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w (it needs the Go command and a module proxy once)\n%s", install, err, out)
	}
	// Processes that install at the same time each bring a whole file; the last one stays.
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
	for range 5 { // the port was free, but another process may be faster
		s, err := launch(binary)
		if err == nil {
			return s, nil
		}
		lost = append(lost, err)
	}
	return nil, errors.Join(lost...)
}

// launch starts the server under a guard and waits until it is healthy.
func launch(binary string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://127.0.0.1:" + port, guard: exec.Command(self), said: new(bytes.Buffer)}
	s.guard.Env = append(os.Environ(), guardEnv+"="+binary+"\n"+port, "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	s.guard.Stdout, s.guard.Stderr = s.said, s.said
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
		return nil, fmt.Errorf("%s on port %s: %w\n%s", binary, port, err, s.said)
	}
	stops = append(stops, func() {
		_ = s.stdin.Close()
		<-exited
	})
	return s, nil
}

// stops end what startGateway has started; TestMain calls them.
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
			return errors.New("it ended at once")
		case <-deadline.C:
			return fmt.Errorf("it is not healthy after 30 s: %w", err)
		case <-every.C:
		}
	}
}

// ours checks that the server on the port is not one of another process: that would not know our keys.
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

// guard is what this binary does instead of tests when launch runs it: it runs the server until its stdin ends, which it
// does when the tests do, however they end, and leaves neither process nor files behind.
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
	// Metadata beside the objects, not in extended attributes, which not every temporary folder has.
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
