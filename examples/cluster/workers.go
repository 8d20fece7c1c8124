package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/go-dmap/dmap/dmap/dmaptemporal"
)

// work serves runs of loans until stdin ends, as it does however the program ends. This is the code
// of a worker.
func work(ctx context.Context, address string, stdin io.Reader) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, stdin)
	}()
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	return dmaptemporal.Serve(ctx, c, queue, loans)
}

// worker is a process of this program.
type worker struct {
	cmd   *exec.Cmd
	input io.Closer // its end stops the worker
}

// startWorkers starts n workers. stop has them return their leases, and waits.
func startWorkers(n int, address string, w io.Writer) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var started []worker
	stop = func() {
		for _, one := range started {
			_ = one.input.Close()
		}
		for _, one := range started {
			if err := one.cmd.Wait(); err != nil {
				fmt.Fprintf(w, "worker process %d: %v\n", one.cmd.Process.Pid, err)
			}
		}
	}
	for range n {
		one, err := startWorker(self, address, w)
		if err != nil {
			stop()
			return nil, err
		}
		started = append(started, one)
		fmt.Fprintf(w, "worker %d of %d: kill -9 %d\n", len(started), n, one.cmd.Process.Pid)
	}
	return stop, nil
}

func startWorker(self, address string, w io.Writer) (worker, error) {
	cmd := exec.Command(self, "-work", address)
	cmd.Stderr = w
	detach(cmd)
	input, err := cmd.StdinPipe()
	if err != nil {
		return worker{}, err
	}
	if err := cmd.Start(); err != nil {
		return worker{}, fmt.Errorf("start a worker: %w", err)
	}
	return worker{cmd, input}, nil
}
