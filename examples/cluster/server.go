package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// built is where make temporal-cli puts the command, in the root of the repository.
const built = ".cache/bin/temporal"

// findTemporal returns the path of the Temporal command.
func findTemporal(named string) (string, error) {
	names := []string{named}
	if named == "" {
		names = []string{os.Getenv("DMAP_TEMPORAL"), built, filepath.Join("..", built), filepath.Join("..", "..", built), "temporal"}
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		path, err := exec.LookPath(name)
		if err == nil || errors.Is(err, exec.ErrDot) {
			return filepath.Abs(path)
		}
	}
	if named != "" {
		return "", fmt.Errorf("no Temporal command at %s", named)
	}
	return "", errors.New("no Temporal command found: make temporal-cli builds it in the root of the repository, once, in ten minutes; " +
		"or install it (https://docs.temporal.io/cli); or give -server the address of a server")
}

// startServer starts a dev server that keeps its state in memory, unless one is named.
func startServer(ctx context.Context, cfg config, w io.Writer) (address string, stop func(), err error) {
	if cfg.server != "" {
		return cfg.server, func() {}, nil
	}
	command, err := findTemporal(cfg.temporal)
	if err != nil {
		return "", nil, err
	}
	if address, err = freeAddress(ctx); err != nil {
		return "", nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(command, "server", "start-dev", "--headless", "--ip", host, "--port", port, "--log-level", "error")
	cmd.Stderr = w
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start %s: %w", command, err)
	}
	fmt.Fprintf(w, "Temporal dev server at %s\n", address)
	return address, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }, nil
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// dial connects to a server that may still start.
func dial(ctx context.Context, address string) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
		if err == nil {
			return c, nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to Temporal at %s: %w", address, err)
		}
	}
}
