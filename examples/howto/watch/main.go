// Command watch starts a run, shows its progress with keys that steer it, and lets you steer it
// over HTTP too.
//
//	go run ./examples/howto/watch                  # prints the address of the handler
//	curl localhost:8080/                           # the counts
//	curl -X POST 'localhost:8080/?concurrency=50'  # more calls at once
//	curl -X POST 'localhost:8080/?pause=true'      # and ?pause=false
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/progress"
	"github.com/go-dmap/dmap/source"
)

func main() {
	address := flag.String("address", "localhost:8080", "`address` of the HTTP handler")
	n := flag.Int("n", 2000, "`items`")
	flag.Parse()
	if err := run(context.Background(), os.Stderr, *address, *n); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, address string, n int) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	display := progress.New(w, progress.Options{Total: int64(n)})
	started, err := dmap.Start(ctx, source.Slice(make([]struct{}, n)), work, dmap.Options{
		MaxConcurrency: 10,
		Tolerance:      dmap.Tolerance{Count: 10},
		Observer:       display.Observer(),
		Logger:         slog.New(slog.NewTextHandler(display, nil)), // its lines stay above the progress
	})
	if err != nil {
		return err
	}
	server := http.Server{Handler: handler(started)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	fmt.Fprintf(display, "steer the run at http://%s/\n", listener.Addr())
	_, err = started.Wait()
	closed := server.Close()
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		return errors.Join(err, serveErr)
	}
	return errors.Join(err, closed)
}

// handler shows the counts of a run, and changes its settings by POST. Protect it as you protect an
// admin page.
func handler(r *dmap.Run) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPost {
			if err := steer(r, request); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(r.Stats()); err != nil {
			log.Print(err)
		}
	})
}

func steer(r *dmap.Run, request *http.Request) error {
	if text := request.FormValue("concurrency"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := r.SetMaxConcurrency(n); err != nil {
			return err
		}
	}
	switch request.FormValue("pause") {
	case "true":
		r.Pause()
	case "false":
		r.Resume()
	}
	return nil
}

// work takes 50 ms, like a call to a server.
func work(ctx context.Context, _ struct{}) (struct{}, error) {
	select {
	case <-time.After(50 * time.Millisecond):
		return struct{}{}, nil
	case <-ctx.Done():
		return struct{}{}, ctx.Err()
	}
}
