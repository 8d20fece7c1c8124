package watch

import (
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
)

// Failures is the failures that this process has settled, in groups.
type Failures struct {
	Total  int64             `json:"total"` // of this process
	Groups []failgroup.Group `json:"groups"`
	More   int               `json:"more,omitempty"` // groups that were left out of a short answer
	// Whole says that they are those of a run on many machines, of all processes: as far as the
	// machines have said so, and without samples.
	Whole bool `json:"whole,omitempty"`
}

// Short returns f with the first n groups and without their samples: for a message of bounded size.
func (f Failures) Short(n int) Failures {
	out := Failures{Total: f.Total, Groups: make([]failgroup.Group, 0, n), Whole: f.Whole}
	for i, g := range f.Groups {
		if i == n {
			out.More = len(f.Groups) - n
			break
		}
		g.Samples = nil
		out.Groups = append(out.Groups, g)
	}
	return out
}

// failures has a lock of its own: a run may fail at many thousand items a second.
type failures struct {
	mu    sync.Mutex
	index failgroup.Index
}

func (f *failures) add(x failgroup.Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index.Add(x)
}

func (f *failures) groups() Failures {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Failures{Total: f.index.Total(), Groups: f.index.Groups()}
}

func (c *Collector) failed(e dmap.FailureEvent) {
	if c == nil {
		return
	}
	text := ""
	if e.Err != nil {
		text = guard.Text(e.Err, maxText)
	}
	x := failgroup.Failure{
		Class: dmap.Class(e.Err), Text: text, Key: e.Key, ID: e.ID(), Attempts: e.Attempt, At: time.Now(),
	}
	x.Key, x.ID, x.Text = Hidden(c.opts.Redact, x.Key, x.ID, text)
	c.failures.add(x)
}

// Groups returns the failures of this process in groups, with samples. Those of a run on many
// machines are of all processes, by the latest reading.
func (c *Collector) Groups() Failures {
	c.mu.Lock()
	whole := c.readings.failures
	c.mu.Unlock()
	if whole != nil {
		return *whole
	}
	return c.failures.groups()
}

// wholeFailures are those of a run on many machines, whose items fail elsewhere. nil: it runs in
// one process.
func wholeFailures(run dmap.LiveRun) *Failures {
	many, ok := run.(interface{ Failures() []dmap.FailureGroup })
	if !ok {
		return nil
	}
	list := many.Failures()
	out := &Failures{Groups: make([]failgroup.Group, 0, len(list)), Whole: true}
	for _, g := range list {
		out.Total += g.Count
		out.Groups = append(out.Groups, failgroup.Group{
			ID: g.ID, Class: g.Class, Message: g.Message, Count: g.Count, First: g.First, Last: g.Last,
		})
	}
	return out
}
