package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-dmap/dmap/dmap/dmapweb"
)

// servePage serves the page of the runs of the bucket until the process gets a signal. It has no
// controls: it has neither a run of its own nor a function.
func servePage(ctx context.Context, c *call) error {
	var hosts []string
	if c.hosts != "" {
		for host := range strings.SplitSeq(c.hosts, ",") {
			hosts = append(hosts, strings.TrimSpace(host))
		}
	}
	page, err := dmapweb.New(dmapweb.Options{
		Bucket: c.bucket, Prefix: c.prefix, Hosts: hosts, Logger: slog.New(slog.NewTextHandler(c.stderr, nil)),
	})
	if err != nil {
		return badUsage("%v", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return fmt.Errorf("listen on %q: %w: give a free -addr, such as localhost:0", c.addr, err)
	}
	server := &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	server.RegisterOnShutdown(page.Close)
	fmt.Fprintf(c.stdout, "page of the runs below prefix %q of %s: http://%s/\nCtrl-C ends it\n", c.prefix, c.name, listener.Addr())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = server.Shutdown(stopping)
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}
