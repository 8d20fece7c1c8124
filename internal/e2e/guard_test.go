package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// guardEnv is set in a guard process: the guarded command as JSON.
const guardEnv = "DMAP_E2E_GUARD"

// guarded is the command of a server. "{dir}" in Args is a temporary folder.
type guarded struct {
	Args []string
	Dirs []string // folders to create in the temporary folder
}

// server is a running server. It stops when the stdin of its guard ends.
type server struct {
	url    string
	guard  *exec.Cmd
	stdin  io.Closer
	output *bytes.Buffer // printed text; read only after guard.Wait
}

// stops holds functions that stop servers; TestMain calls them.
var stops []func()

// startServer starts a server that command makes for a port. ours checks that the server which
// answers at the health path is the one that was started.
func startServer(command func(port string) guarded, env []string, health string, ours func(url string) error) (*server, error) {
	var lost []error
	for range 5 { // another process may take the free port first
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s, err := startOn(port, command(port), env, health, ours)
		if err == nil {
			return s, nil
		}
		lost = append(lost, err)
	}
	return nil, errors.Join(lost...)
}

// startOn starts the server under a guard and waits until it is healthy.
func startOn(port string, command guarded, env []string, health string, ours func(url string) error) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://127.0.0.1:" + port, guard: exec.Command(self), output: new(bytes.Buffer)}
	s.guard.Env = append(append(os.Environ(), guardEnv+"="+string(text), noSleepAtExit()), env...)
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
	err = s.healthy(health, exited)
	if err == nil {
		err = ours(s.url)
	}
	if err != nil {
		_ = s.stdin.Close()
		<-exited
		return nil, fmt.Errorf("%s on port %s: %w\n%s", command.Args[0], port, err, s.output)
	}
	stops = append(stops, func() {
		_ = s.stdin.Close()
		<-exited
	})
	return s, nil
}

// healthy waits until the server answers the path.
func (s *server) healthy(path string, exited <-chan struct{}) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		resp, err := client.Get(s.url + path)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode < http.StatusInternalServerError {
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
func guard(text string) error {
	var command guarded
	if err := json.Unmarshal([]byte(text), &command); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dmap-e2e-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, sub := range command.Dirs {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i, arg := range command.Args {
		command.Args[i] = strings.ReplaceAll(arg, "{dir}", dir)
	}
	run := exec.CommandContext(ctx, command.Args[0], command.Args[1:]...)
	run.Dir, run.Stdout, run.Stderr = dir, os.Stdout, os.Stderr
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = 3 * time.Second // then it is killed
	if err := run.Start(); err != nil {
		return err
	}
	go func() { // ends with this process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := run.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
