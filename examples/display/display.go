// Package display shows the runs of an example: on its terminal, and with an address also on a
// page. A program of your own does the same with dmap/progress and dmap/dmapweb.
package display

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/dmap/progress"
)

// Usage is the help text of a flag for the address.
const Usage = "`address` of a page of the run, such as localhost:8080; it stays until Ctrl-C (default: no page)"

// Display shows the runs whose Options.Observer is Observer.
type Display struct {
	Observer *dmap.Observer
	lines    *progress.Display
	page     *dmapweb.Page // nil: none
	server   *http.Server
	served   chan error
	w        io.Writer
}

// Open begins to show runs: their progress on w, and on a page at address unless that is empty.
// total is the number of items that a run will have, 0 if it is not known.
func Open(w io.Writer, address string, total int64) (*Display, error) {
	d := &Display{lines: progress.New(w, progress.Options{Total: total}), w: w}
	d.Observer = d.lines.Observer()
	if address == "" {
		return d, nil
	}
	// The page shows keys and errors, and this machine may steer the runs.
	page, err := dmapweb.New(dmapweb.Options{Authorize: dmapweb.LocalOnly, Total: func(string) int64 { return total }})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		page.Close()
		return nil, fmt.Errorf("-http %s: %w: give a free address, such as localhost:0", address, err)
	}
	d.page, d.served = page, make(chan error, 1)
	d.server = &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second}
	go func() { d.served <- d.server.Serve(listener) }()
	d.Observer = dmap.JoinObservers(d.Observer, page.Observer())
	fmt.Fprintf(d, "the run is shown at http://%s/\n", listener.Addr())
	return d, nil
}

// Write writes lines to the output of the runs, above the rewritten lines.
func (d *Display) Write(p []byte) (int, error) { return d.lines.Write(p) }

// Close ends the showing. A page stays until Ctrl-C: defer Close before the buckets of the run are
// closed.
func (d *Display) Close() error {
	d.lines.Close()
	if d.page == nil {
		return nil
	}
	pressed := make(chan os.Signal, 1)
	signal.Notify(pressed, os.Interrupt)
	defer signal.Stop(pressed)
	fmt.Fprintln(d.w, "Ctrl-C closes the page")
	var err error
	select {
	case <-pressed:
	case err = <-d.served:
		d.served <- err
	}
	return d.stop()
}

// stop closes the page.
func (d *Display) stop() error {
	d.page.Close()
	err := d.server.Close()
	if served := <-d.served; !errors.Is(served, http.ErrServerClosed) {
		return errors.Join(served, err)
	}
	return err
}
