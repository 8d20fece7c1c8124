package dmaptest

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/go-dmap/dmap/dmap"
)

// divisible is numbers with a TrySplit that divides the longest split, right but for its bug.
type divisible struct {
	*numbers
	bug       string
	divisions atomic.Int64

	mu sync.Mutex     // guards at
	at map[int64]bool // the offsets of the divisions
}

func (c *divisible) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{Splits: c.Splits, Read: c.Read, TrySplit: c.TrySplit, Readers: 4}
}

func (c *divisible) TrySplit(_ context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
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
	c.divisions.Add(1)
	switch c.bug {
	case "divides before the reader":
		at = reading[which].From
	case "divides at the end":
		at = reading[which].To
	case "divides an unknown split":
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

// isDivision reports whether a reading starts at a division.
func (c *divisible) isDivision(s dmap.Split) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[s.From.Offset]
}

func (c *divisible) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	divided := c.isDivision(s)
	return func(yield func(dmap.Item[int], error) bool) {
		from := s.From.Offset
		switch {
		case divided && c.bug == "loses one after a division":
			s.From.Offset++
		case divided && c.bug == "doubles one at a division":
			s.From.Offset--
		}
		for item, err := range c.numbers.Read(ctx, s) {
			switch {
			case divided && c.bug == "index continues":
				item.Index += from
			case divided && c.bug == "key changes":
				item.Key = "pieces"
			case divided && c.bug == "order differs in pieces" && item.Offset%2 == 0 && item.Offset+1 < s.To.Offset:
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
