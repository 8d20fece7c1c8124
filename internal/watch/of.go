package watch

import "context"

// Refresh takes a reading of the run now, between those of Options.Every.
func (c *Collector) Refresh() {
	if c.begin.run != nil {
		c.takeReading()
	}
}

// Of returns the run of s in the context of an event, or of a call of its function. nil: there is
// none.
func (s *Set) Of(ctx context.Context) *Collector {
	c, _ := ctx.Value(setKey{s}).(*Collector)
	return c
}
