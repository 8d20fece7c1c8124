package watch

import (
	"fmt"

	"github.com/go-dmap/dmap/dmap"
)

// Bar divides the items of a run into parts that add up to its Total. readAll says that nothing is
// left to read; expected is the number of items that the host expects, 0 if it does not know.
func Bar(s dmap.Stats, readAll bool, expected int64) Progress {
	rest := max(0, s.Pending)
	queued := min(int64(max(0, s.Queued)), rest)
	waiting := min(int64(max(0, s.Waiting)), rest-queued)
	inCalls := rest - queued - waiting
	p := Progress{Total: s.Succeeded + s.Failed + s.Skipped + s.Held + rest}
	unread := int64(0)
	if !readAll && expected > p.Total {
		unread = expected - p.Total
		p.Total = expected
	}
	p.AtLeast = !readAll && expected == 0
	name := "in flight"
	if s.State == dmap.StateEnded || s.State == dmap.StateOpen {
		name = "pending"
	}
	p.Parts = []Part{
		{"succeeded", s.Succeeded}, {"failed", s.Failed}, {"skipped", s.Skipped}, {"held", s.Held},
		{name, inCalls}, {"waiting", waiting}, {"queued", queued}, {"unread", unread},
	}
	done := settled(s)
	if !p.AtLeast && p.Total > 0 {
		p.Share = float64(done) / float64(p.Total)
	}
	switch {
	case p.AtLeast:
		p.Text = fmt.Sprintf("%s of at least %s, ", Count(done), Counted(p.Total, "item"))
		if s.State == dmap.StateEnded || s.State == dmap.StateOpen {
			p.Text += "the rest of the source is unread"
		} else {
			p.Text += "reading continues"
		}
	case p.Total == 0:
		p.Text = "0 items"
	default:
		p.Text = fmt.Sprintf("%s of %s, %s", Count(done), Counted(p.Total, "item"), Percent(p.Share))
	}
	return p
}
