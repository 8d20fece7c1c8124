package redrive

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// Sizes of a Sorter. Memory is about Memory plus Fan blocks.
const (
	defaultMemory = 8 << 20
	defaultFan    = 64
	blockBytes    = 128 << 10
)

// Store keeps sorted items for a while.
type Store interface {
	// Write stores lines of items.
	Write(ctx context.Context, content []byte, records int64) (runfolder.Part, error)
	// Read returns length bytes of what Write stored, from offset on.
	Read(ctx context.Context, p runfolder.Part, offset, length int64) ([]byte, error)
	// Delete removes a part that is no longer needed. It is garbage if that fails.
	Delete(ctx context.Context, p runfolder.Part)
}

// Sorter sorts items by split and start cursor. It holds at most Memory bytes of them; it writes
// more than that as sorted runs into the Store and merges those.
type Sorter struct {
	Store  Store
	Memory int // bytes of items; 0: 8 MiB
	Fan    int // runs that are merged at once; 0: 64

	items []line
	bytes int
	runs  []run
}

// run is a sorted sequence of items in objects of at most Memory bytes.
type run []runfolder.Part

// line is an item and its place.
type line struct {
	split string
	start runfolder.Cursor
	text  []byte // with the newline
}

func (l *line) compare(o *line) int {
	return cmp.Or(strings.Compare(l.split, o.split), l.start.Compare(o.start))
}

// Add adds an item.
func (s *Sorter) Add(ctx context.Context, item *runfolder.Item) error {
	return s.AddWith(ctx, item, nil)
}

// AddWith adds an item with other fields of its record, each after a comma.
func (s *Sorter) AddWith(ctx context.Context, item *runfolder.Item, fields []byte) error {
	return s.AddLine(ctx, item, append(append(runfolder.AppendItem(nil, item), fields...), "}\n"...))
}

// AddLine adds an item as the line that a Sorter has yielded before.
func (s *Sorter) AddLine(ctx context.Context, item *runfolder.Item, text []byte) error {
	s.items = append(s.items, line{item.Split, item.Start, text})
	if s.bytes += len(text); s.bytes < s.memory() {
		return nil
	}
	return s.spill(ctx)
}

// spill writes the items in memory as a run.
func (s *Sorter) spill(ctx context.Context) error {
	s.sort()
	out := s.writer()
	for i := range s.items {
		if err := out.Add(ctx, s.items[i].text); err != nil {
			return err
		}
	}
	clear(s.items)
	s.items, s.bytes = s.items[:0], 0
	return s.keep(ctx, out)
}

func (s *Sorter) memory() int { return cmp.Or(s.Memory, defaultMemory) }

func (s *Sorter) sort() {
	slices.SortStableFunc(s.items, func(a, b line) int { return a.compare(&b) })
}

// writer writes a run.
func (s *Sorter) writer() *PartWriter {
	return &PartWriter{Limit: s.memory(), Write: s.Store.Write}
}

// keep adds the parts of out to the runs.
func (s *Sorter) keep(ctx context.Context, out *PartWriter) error {
	err := out.Flush(ctx)
	s.runs = append(s.runs, out.Parts)
	return err
}

// Each calls yield for each item in order, as a line with its newline that is valid until yield
// returns. The Sorter cannot be used afterwards.
func (s *Sorter) Each(ctx context.Context, yield func(text []byte) error) error {
	if len(s.runs) == 0 {
		s.sort()
		for i := range s.items {
			if err := yield(s.items[i].text); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.items) > 0 {
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	s.items = nil
	for fan := cmp.Or(s.Fan, defaultFan); len(s.runs) > fan; {
		first := s.runs[:fan]
		s.runs = s.runs[fan:]
		out := s.writer()
		err := s.merge(ctx, first, func(text []byte) error { return out.Add(ctx, text) })
		if err != nil {
			return err
		}
		if err := s.keep(ctx, out); err != nil {
			return err
		}
	}
	return s.merge(ctx, s.runs, yield)
}
