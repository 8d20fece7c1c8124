package dmaptest

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/go-dmap/dmap/dmap"
)

// cuttable cuts the splits of numbers where most is left, right but for its bug.
type cuttable struct {
	*numbers
	bug  string
	cuts atomic.Int64

	mu sync.Mutex     // guards at
	at map[int64]bool // where it was cut
}

func (c *cuttable) Readers() int { return 4 }

func (c *cuttable) Cut(_ context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	most := int64(4)
	for i, s := range reading {
		if left := s.To.Offset - s.From.Offset; left >= most {
			which, most, ok = i, left, true
			at.Offset = s.From.Offset + left/2
		}
	}
	if !ok {
		return 0, at, false
	}
	c.cuts.Add(1)
	switch c.bug {
	case "cuts behind the reader":
		at = reading[which].From
	case "cuts at the end":
		at = reading[which].To
	case "cuts what is not there":
		return len(reading), at, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[int64]bool{}
	}
	c.at[at.Offset] = true
	return which, at, true
}

// isCut says whether a reading begins behind a cut.
func (c *cuttable) isCut(s dmap.Split) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[s.From.Offset]
}

func (c *cuttable) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	cut := c.isCut(s)
	return func(yield func(dmap.Item[int], error) bool) {
		from := s.From.Offset
		switch {
		case cut && c.bug == "loses one behind a cut":
			s.From.Offset++
		case cut && c.bug == "doubles one behind a cut":
			s.From.Offset--
		}
		for item, err := range c.numbers.Read(ctx, s) {
			switch {
			case cut && c.bug == "index goes on":
				item.Index += from
			case cut && c.bug == "key changes":
				item.Key = "pieces"
			case cut && c.bug == "order is that of pieces" && item.Offset%2 == 0 && item.Offset+1 < s.To.Offset:
				item.Offset++
			}
			if end := dmap.EndOf(ctx, s); c.bug != "does not know ends" {
				if c.bug == "ends too early" && end != s.To {
					end.Offset--
				}
				if item.Next.Offset > end.Offset {
					return
				}
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}
