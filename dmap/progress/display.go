package progress

import (
	"context"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/watch"
)

// Display shows runs on one output. It is safe for concurrent use.
type Display struct {
	opts  Options
	set   *watch.Set
	every time.Duration
	keys  func() *keyboard // opens the keyboard; it returns nil if there is none

	mu       sync.Mutex // guards the fields below, and writes
	out      output
	runs     []*watch.Collector // that are shown, the newest last
	listens  bool               // to keys
	note     string             // about the last key
	noteEnds time.Time
	stop     chan struct{} // ends the drawing; nil: nothing is drawn
	drawn    chan struct{} // closed when the latest drawing has ended
}

// output writes updates: a block on a terminal, or lines.
type output interface {
	update(runs []*watch.Collector, now time.Time)
	final(c *watch.Collector, now time.Time)
	leave() // the shown lines stay, and are not rewritten
	write(p []byte) (int, error)
}

// New returns a Display that writes to w.
func New(w io.Writer, opts Options) *Display {
	file, terminal := interactive(w)
	if !terminal {
		return newDisplay(opts, &lines{w: w}, EveryLog)
	}
	d := newDisplay(opts, nil, EveryTerminal)
	d.out = &block{w: w, size: func() (int, int) { return size(file) }, color: os.Getenv("NO_COLOR") == "", hint: d.hint}
	if !opts.NoKeys {
		d.keys = openKeyboard
	}
	return d
}

func newDisplay(opts Options, out output, every time.Duration) *Display {
	if opts.Every > 0 {
		every = opts.Every
	}
	var total func(string) int64
	if opts.Total > 0 {
		total = func(string) int64 { return opts.Total }
	}
	return &Display{
		opts: opts, out: out, every: every, keys: func() *keyboard { return nil },
		set: watch.NewSet(watch.Options{Every: time.Second, Redact: opts.Redact, Total: total, Kept: 1}),
	}
}

// Observer returns the observer for Options.Observer of the runs that are to be shown: one for all
// of them. On a terminal the run that began last is shown, with the number of the others. The last
// lines of a run are written before Map and Wait return.
func (d *Display) Observer() *dmap.Observer {
	o := d.set.Observer()
	started, ended := o.RunStarted, o.RunEnded
	o.RunStarted = func(ctx context.Context, e dmap.RunStart) context.Context {
		ctx = started(ctx, e)
		d.add(d.set.Of(ctx))
		return ctx
	}
	o.RunEnded = func(ctx context.Context, e dmap.RunEnd) {
		ended(ctx, e)
		d.finish(d.set.Of(ctx))
	}
	return o
}

// Write writes p, such as the lines of a log handler, above the rewritten lines:
//
//	opts.Logger = slog.New(slog.NewTextHandler(display, nil))
//
// p should be whole lines.
func (d *Display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.write(p)
}

// Close ends the showing of all runs, and leaves the terminal as it was. The ends of runs do the
// same, so it is only needed where a program may leave earlier: defer it in main.
func (d *Display) Close() {
	d.mu.Lock()
	d.runs = nil
	d.out.leave()
	d.mu.Unlock()
	d.rest()
}

// add begins to show a run.
func (d *Display) add(c *watch.Collector) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs = append(d.runs, c)
	if d.stop == nil {
		before := d.drawn
		d.stop, d.drawn = make(chan struct{}), make(chan struct{})
		go d.draw(d.stop, d.drawn, before)
	}
}

// show shows a run on the caller's goroutine, until it has ended.
func (d *Display) show(c *watch.Collector) {
	d.add(c)
	<-c.Over()
	d.finish(c)
}

// finish writes the last lines of a run, once, and waits for the end of the drawing if no run is
// left.
func (d *Display) finish(c *watch.Collector) {
	d.mu.Lock()
	d.settle(c)
	d.mu.Unlock()
	d.rest()
}

// settle writes the last lines of a run. The caller holds mu.
func (d *Display) settle(c *watch.Collector) {
	if i := slices.Index(d.runs, c); i >= 0 {
		d.runs = slices.Delete(d.runs, i, i+1)
		d.out.final(c, time.Now())
	}
}

// rest ends the drawing if no run is left.
func (d *Display) rest() {
	d.mu.Lock()
	drawn := d.drawn
	if len(d.runs) > 0 || drawn == nil {
		d.mu.Unlock()
		return
	}
	if d.stop != nil {
		close(d.stop)
		d.stop = nil
	}
	d.mu.Unlock()
	<-drawn
}

// draw updates the output until stop is closed. It is the only goroutine of a Display: it begins
// when the one before has ended, and closes drawn at its end.
func (d *Display) draw(stop <-chan struct{}, drawn chan<- struct{}, before <-chan struct{}) {
	defer close(drawn)
	if before != nil {
		<-before
	}
	keys, away := d.keys(), false
	defer func() { keys.close() }()
	d.listen(keys != nil)
	defer d.listen(false)
	ticks := time.NewTicker(d.every)
	defer ticks.Stop()
	for {
		select {
		case <-stop:
			return
		case key := <-keys.keys():
			d.press(key)
		case <-keys.ended():
			away = keys.background
			keys.close()
			keys = nil
			d.listen(false)
		case <-ticks.C:
			if away {
				keys = d.keys()
				away = keys == nil
				d.listen(!away)
			}
		}
		if !d.update() {
			return
		}
	}
}

func (d *Display) listen(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listens = on
}

// update draws once. It returns false when no run is left: the observer may have lost an end.
func (d *Display) update() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range slices.Clone(d.runs) {
		if c.Refresh(); !c.Live() {
			d.settle(c)
		}
	}
	if len(d.runs) == 0 {
		d.stop = nil
		return false
	}
	d.out.update(d.runs, time.Now())
	return true
}
