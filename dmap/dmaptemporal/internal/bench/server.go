package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
)

// server is a dev server of Temporal with a database in a file.
type server struct {
	*exec.Cmd
	client   client.Client
	address  string
	metrics  string  // address
	database string  // file
	quiet    float64 // the least that idle has found; 0: nothing yet
}

// startServer starts a server with these pragmas of SQLite.
func startServer(ctx context.Context, folder string, pragmas []string) (*server, error) {
	command := os.Getenv("DMAP_TEMPORAL")
	if command == "" {
		return nil, errors.New("DMAP_TEMPORAL is not set: make bench-cluster builds the command")
	}
	address, port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	metrics, metricsPort, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	database := filepath.Join(folder, "temporal.db")
	args := []string{
		"server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--metrics-port", metricsPort,
		"--db-filename", database, "--log-level", "error",
	}
	for _, p := range pragmas {
		args = append(args, "--sqlite-pragma", p)
	}
	s := &server{Cmd: exec.CommandContext(ctx, command, args...), address: address, metrics: metrics, database: database}
	if err := s.Start(); err != nil {
		return nil, err
	}
	for range 600 {
		if s.client, err = client.DialContext(ctx, client.Options{HostPort: address, Logger: quiet{}}); err == nil {
			return s, nil
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			break
		}
	}
	s.kill()
	return nil, err
}

func (s *server) kill() { _ = s.Process.Kill(); _ = s.Wait() }

func (s *server) close() { s.client.Close(); s.kill() }

func freePort(ctx context.Context) (address, port string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	address = listener.Addr().String()
	_, port, err = net.SplitHostPort(address)
	return address, port, errors.Join(err, listener.Close())
}

// idle is the part of a CPU that the server uses although workers only poll. It is the least that
// was found so far: after a run the server has something left to do.
func (s *server) idle(ctx context.Context) (float64, error) {
	const settle, of = 3 * time.Second, 5 * time.Second
	if err := wait(ctx, settle); err != nil {
		return 0, err
	}
	before, err := cpuOf(s.Process.Pid)
	if err == nil {
		err = wait(ctx, of)
	}
	if err != nil {
		return 0, err
	}
	after, err := cpuOf(s.Process.Pid)
	if found := (after - before).Seconds() / of.Seconds(); s.quiet == 0 || found < s.quiet {
		s.quiet = found
	}
	return s.quiet, err
}
