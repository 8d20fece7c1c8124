package sink

import (
	"bytes"
	"context"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// takenBytes is the size of a part of taken items.
const takenBytes = 4 << 20

// itemLists are the lists of items that a process writes into the folder of a run.
type itemLists struct {
	bucket *blob.Bucket
	run    *run
}

// Write stores lines of taken items: as a run for a Sorter, or as a list of a redrive or a release.
func (l *itemLists) Write(ctx context.Context, content []byte, records int64) (runfolder.Part, error) {
	return l.store(ctx, runfolder.TakenName(l.run.writer, l.run.parts.number()), content, records)
}

func (l *itemLists) store(ctx context.Context, name string, content []byte, records int64) (runfolder.Part, error) {
	return storePart(ctx, l.bucket, l.run.folder+name, content, records)
}

// Read returns a piece of what Write stored.
func (l *itemLists) Read(ctx context.Context, p runfolder.Part, offset, length int64) ([]byte, error) {
	return publish.ReadRange(ctx, l.bucket, p.Key, offset, length)
}

// Delete removes a run of the Sorter; results.Clean does if this fails.
func (l *itemLists) Delete(ctx context.Context, p runfolder.Part) {
	_ = publish.Delete(ctx, l.bucket, p.Key)
}

// write writes the sorted items as lists.
func (l *itemLists) write(ctx context.Context, sorter *redrive.Sorter) ([]runfolder.Part, error) {
	out := redrive.PartWriter{Limit: takenBytes, Write: l.Write}
	if err := sorter.Each(ctx, func(text []byte) error { return out.Add(ctx, text) }); err != nil {
		return nil, err
	}
	err := out.Flush(ctx)
	return out.Parts, err
}

// taker takes items out of parts of one kind, and keeps the other records of these parts in new
// ones.
type taker struct {
	sorter  *redrive.Sorter
	others  redrive.PartWriter
	items   int64    // taken
	dropped []string // keys of the parts that held them
}

func newTaker(lists *itemLists, sorter *redrive.Sorter, kind runfolder.Kind, partBytes int) *taker {
	write := func(ctx context.Context, content []byte, records int64) (runfolder.Part, error) {
		return lists.store(ctx, runfolder.PartName(kind, lists.run.writer, lists.run.parts.number()), content, records)
	}
	return &taker{sorter: sorter, others: redrive.PartWriter{Limit: partBytes, Write: write}}
}

// take takes the records of p that takes accepts, with the fields that it returns.
func (t *taker) take(ctx context.Context, p runfolder.Part, content []byte, takes func(*runfolder.Record) (fields []byte, take bool, err error)) error {
	var rest [][]byte
	var taken int64
	err := eachRecord(p, content, func(text []byte, r *runfolder.Record) error {
		fields, take, err := takes(r)
		if err != nil {
			return err
		}
		if !take {
			rest = append(rest, text)
			return nil
		}
		taken++
		return t.sorter.AddWith(ctx, &r.Item, fields)
	})
	if err != nil || taken == 0 {
		return err
	}
	t.items += taken
	t.dropped = append(t.dropped, p.Key)
	for _, text := range rest {
		if err := t.others.Add(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// eachRecord calls f for each record of a part, with its line.
func eachRecord(p runfolder.Part, content []byte, f func(text []byte, r *runfolder.Record) error) error {
	for line := int64(1); len(content) > 0; line++ {
		end := bytes.IndexByte(content, '\n') + 1
		text := content[:end]
		content = content[end:]
		r, err := runfolder.DecodeRecord(text)
		if err == nil {
			err = f(text, r)
		}
		if err != nil {
			return fmt.Errorf("sink: part %q line %d: %w", p.Key, line, err)
		}
	}
	return nil
}
