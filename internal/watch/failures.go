package watch

import (
	"strings"
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
}

// Short returns f with the first n groups and without their samples: for a message of bounded size.
func (f Failures) Short(n int) Failures {
	out := Failures{Total: f.Total, Groups: make([]failgroup.Group, 0, n)}
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
	if c.opts.Redact != nil {
		x.Key, x.ID, x.Text = c.hidden(e.Info, text)
	}
	c.failures.add(x)
}

// hidden is the key and the ID of an item, and a text about it, by Options.Redact.
func (c *Collector) hidden(i dmap.Info, text string) (key, id, shown string) {
	if c.opts.Redact == nil {
		return i.Key, i.ID(), text
	}
	key = c.opts.Redact(i.Key)
	if i.Key == "" {
		return key, i.ID(), text
	}
	return key, strings.Replace(i.ID(), i.Key, key, 1), strings.ReplaceAll(text, i.Key, key)
}

// Groups returns the failures of this process in groups, with samples.
func (c *Collector) Groups() Failures { return c.failures.groups() }
