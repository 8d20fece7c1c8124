package watch

import (
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

// Collector watches one run. Its methods are safe for concurrent use.
type Collector struct {
	key   string
	begin begin
	opts  Options
	start time.Time // of watching
	over  chan struct{}

	mu        sync.Mutex // guards the fields below; never held while foreign code runs
	closed    bool       // over is closed
	endedAt   time.Time
	final     dmap.Stats
	err       string
	phase     dmap.Phase
	allRead   bool // PhaseRead has come
	cause     string
	tolerance dmap.Tolerance
	series    series
	marks     marks
	saved     saved
	failures  failures
	retries   retries
	readings  readings
	throttle  time.Time // the latest event
	commits   int64     // not in the series yet
}

func newCollector(key string, b begin, opts Options) *Collector {
	opts.Redact = redactor(opts.Redact, b.spec.Options.Redact.Key)
	now := time.Now()
	c := &Collector{
		key: key, begin: b, opts: opts, start: now, over: make(chan struct{}),
		tolerance: b.spec.Options.Tolerance, series: newSeries(now),
	}
	c.saved = saved{base: settled(b.stats) + b.stats.Held}
	c.readings.first(now, b.stats)
	c.marks.add(now, MarkStart, b.text())
	return c
}

// Key names the run among those of its Set.
func (c *Collector) Key() string { return c.key }

// Run is the run, for controls. nil: the engine has not given it.
func (c *Collector) Run() dmap.LiveRun { return c.begin.run }

// Redact returns the text in place of a key of the run. nil: keys are shown.
func (c *Collector) Redact() func(key string) string { return c.opts.Redact }

// Spec says how the run was started.
func (c *Collector) Spec() dmap.RunSpec { return c.begin.spec }

// Live reports whether this process works on the run.
func (c *Collector) Live() bool {
	select {
	case <-c.over:
		return false
	default:
		return true
	}
}

// Over is closed when the run has ended in this process, and its last reading is in Snapshot.
func (c *Collector) Over() <-chan struct{} { return c.over }

// Mark adds a mark of the host, such as a redrive that somebody has started.
func (c *Collector) Mark(kind, text string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marks.add(time.Now(), kind, text)
}

func (c *Collector) ended(s dmap.Stats, err error) {
	if c == nil {
		return
	}
	text := ""
	if err != nil {
		text = guard.Text(err, maxCause)
	}
	spent := c.spent()
	now := time.Now()
	var bytes int64
	if c.begin.run != nil {
		bytes = c.begin.run.Written()
	}
	failed := wholeFailures(c.begin.run)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readings.written, c.readings.failures = bytes, failed
	c.end(now, s, text, spent)
}

// spent is how the run has spent its time so far. nil: nobody knows.
func (c *Collector) spent() *dmap.Times {
	if c.begin.run == nil {
		return nil
	}
	t := c.begin.run.Times()
	return &t
}

// end takes the last reading. The caller holds mu.
func (c *Collector) end(now time.Time, s dmap.Stats, err string, spent *dmap.Times) {
	if c.closed {
		return
	}
	c.read(now, s, spent, nil)
	c.closed, c.endedAt, c.final, c.err = true, now, s, err
	c.readings.calls, c.readings.workers = nil, nil
	c.marks.add(now, MarkEnd, c.endText(s))
	c.series.finish()
	close(c.over)
}

func (c *Collector) endText(s dmap.Stats) string {
	text := "the run has ended"
	if s.State == dmap.StateOpen {
		text = "this process leaves the run open"
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

func (c *Collector) phaseChanged(e dmap.PhaseEvent) {
	if c == nil {
		return
	}
	cause := ""
	if e.Cause != nil {
		cause = guard.Text(e.Cause, maxText)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allRead = c.allRead || e.Phase == dmap.PhaseRead
	if c.phase != dmap.PhaseStopping || e.Phase != dmap.PhaseRead { // reading may end while the run stops
		c.phase = e.Phase
	}
	if cause != "" {
		c.cause = cause
	}
	text := map[dmap.Phase]string{
		dmap.PhaseRead:     "nothing is left to read",
		dmap.PhaseStopping: "the run stops: " + firstLine(cause),
		dmap.PhaseSaving:   "no call runs any more; results are saved",
	}[e.Phase]
	c.marks.add(time.Now(), MarkPhase, text)
}

// quietMinute is the time without throttling after which the next throttled call is a mark.
const quietMinute = time.Minute

func (c *Collector) throttled(e dmap.ThrottleEvent) {
	if c == nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	begins := now.Sub(c.throttle) > quietMinute
	c.throttle = now
	c.mu.Unlock()
	if !begins {
		return
	}
	text := "throttling begins"
	if e.Err != nil {
		_, _, shown := Hidden(c.opts.Redact, e.Key, "", guard.Text(e.Err, maxText))
		text += ": " + firstLine(shown)
	}
	c.Mark(MarkThrottle, text)
}

func (c *Collector) committed(e dmap.CommitEvent) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commits++
	c.saved.add(time.Now(), e)
}

func (c *Collector) edited(e dmap.EditEvent) {
	if c == nil || e.From == e.To {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := e.To.(dmap.Tolerance); ok {
		c.tolerance = t
	}
	from, to := e.Texts()
	kind, text := editText(e.Setting, from, to)
	c.marks.add(time.Now(), kind, text)
}
