package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/dmap/progress"
)

// shown is the display of the run: on the terminal, and on a page.
type shown struct {
	observer *dmap.Observer
	lines    *progress.Display
	page     *dmapweb.Page
	server   *http.Server
	served   chan error
	results  *blob.Bucket
}

// open serves the page of the runs in a folder.
func open(ctx context.Context, cfg config, folder string, w io.Writer) (*shown, error) {
	results, err := openFolder(ctx, filepath.Join(folder, "results"))
	if err != nil {
		return nil, err
	}
	page, err := dmapweb.New(dmapweb.Options{
		Bucket: results, Prefix: runs, Authorize: dmapweb.LocalOnly, Total: func(string) int64 { return cfg.n },
	})
	if err != nil {
		return nil, errors.Join(err, results.Close())
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", cfg.http)
	if err != nil {
		page.Close()
		return nil, errors.Join(fmt.Errorf("-http %s: %w: give a free address, such as localhost:0", cfg.http, err), results.Close())
	}
	s := &shown{lines: progress.New(w, progress.Options{Total: cfg.n}), page: page, results: results, served: make(chan error, 1)}
	s.observer = dmap.JoinObservers(s.lines.Observer(), page.Observer())
	s.server = &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.server.Serve(listener) }()
	fmt.Fprintf(w, "the page is http://%s/\n", listener.Addr())
	return s, nil
}

func (s *shown) close() error {
	s.lines.Close()
	s.page.Close()
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, s.results.Close())
}
