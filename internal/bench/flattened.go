package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

const (
	flattenedName = "suspended at 99 %, and resumed"
	rowsOfObject  = 100
)

// flattened measures the state that a run over the rows of many objects keeps. The objects and
// their rows are generated: a billion rows are neither stored nor parsed.
func flattened() table {
	const n = 100_000
	long := func(figure figure, most float64) target {
		return target{of: flattenedName, figure: figure, most: most, from: 100_000_000}
	}
	state, commits := kibOf("state KiB"), kibOf("commits KiB")
	firstCall, share := figure{"first call s", 3, false, countOf("first call s").of}, figure{"read again %", 2, false, countOf("read again %").of}
	return table{
		name: "scale/flatten", what: "Flatten over generated objects of 100 rows, results dropped: the journal, and a resume near the end",
		unit: "object", rounds: 1, n: n, concurrency: 1000,
		figures: []figure{cpuMicros, wallSeconds, addedMiB, peakMiB, state, commits, firstCall, share},
		cases:   []benchCase{{name: flattenedName, ours: true, run: suspendFlattened}},
		targets: []target{
			long(peakMiB, 64), long(state, 1<<10), long(commits, 100e6/1024), long(firstCall, 5), {of: flattenedName, figure: share, most: 2},
		},
	}
}

func kibOf(name string) figure {
	return figure{name, 1, false, func(m measured, _ workload) float64 { return m.Counts[name] / (1 << 10) }}
}

// suspendFlattened suspends a run when 99 % of the rows are read, and resumes it.
func suspendFlattened(ctx context.Context, work workload) (outcome, error) {
	out, err := openFolder(work.Scratch)
	if err != nil {
		return outcome{}, err
	}
	defer out.Close()
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	objects := &generatedObjects{n: work.N, bucket: bucket}
	rows := source.Flatten(objects, objects.rows)
	total := rowsOfObject * work.N
	process := func(ctx context.Context, most int64) (stats dmap.Stats, firstCall time.Duration, err error) {
		ctx, suspend := context.WithCancelCause(ctx)
		defer suspend(nil)
		opts := allOn(work)
		opts.RunID = "r"
		var first sync.Once
		var called atomic.Int64
		began := time.Now()
		stats, err = dmap.MapBatch(ctx, rows, batch.Limits{Items: rowsOfObject}, func(_ context.Context, rows []dmap.Item[int64]) ([]int64, error) {
			first.Do(func() { firstCall = time.Since(began) })
			if n := int64(len(rows)); called.Add(n) >= most {
				suspend(dmap.ErrSuspended)
			}
			return make([]int64, len(rows)), nil
		}, opts, sink.Bucket[int64](out, "", sink.BucketOptions{Records: sink.FailuresOnly}))
		return stats, firstCall, err
	}
	work.start()
	before, _, err := process(ctx, total/100*99)
	if !errors.Is(err, dmap.ErrSuspended) {
		return outcome{}, fmt.Errorf("the run ended before it was suspended: %+v: %w", before, err)
	}
	state, err := stateSize(ctx, out)
	if err != nil {
		return outcome{}, err
	}
	objects.read.Store(0)
	stats, firstCall, err := process(ctx, math.MaxInt64)
	work.stop()
	if err != nil {
		return outcome{}, err
	}
	if stats.Succeeded != total {
		return outcome{}, fmt.Errorf("%d rows succeeded, want %d", stats.Succeeded, total)
	}
	commits, err := folderSize(filepath.Join(work.Scratch, "r", "commits"))
	return outcome{Succeeded: stats.Succeeded, Units: work.N, Counts: map[string]float64{
		"state KiB": state, "commits KiB": commits, "first call s": firstCall.Seconds(),
		"read again %": 100 * float64(objects.read.Load()-(total-before.Succeeded)) / float64(total),
	}}, err
}

// stateSize is the number of bytes of the journal as one record.
func stateSize(ctx context.Context, out *blob.Bucket) (float64, error) {
	records, err := runfolder.LoadCommits(ctx, out, "r/")
	if err != nil {
		return 0, err
	}
	var size float64
	for _, r := range records {
		content, err := runfolder.EncodeCommit("w", r)
		if err != nil {
			return 0, err
		}
		size += float64(len(content))
	}
	return size, nil
}

// folderSize is the number of bytes in the files of a folder.
func folderSize(dir string) (size float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil {
			size += float64(info.Size())
		}
		return err
	})
	return size, err
}

// generatedObjects lists n objects that exist nowhere, in the order of their keys.
type generatedObjects struct {
	n      int64
	bucket *blob.Bucket
	read   atomic.Int64 // rows
}

func (g *generatedObjects) Plan() dmap.Plan[source.Object] {
	return dmap.Plan[source.Object]{Splits: g.splits, Read: g.list}
}

func (g *generatedObjects) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) { yield(dmap.Split{ID: "keys"}, nil) }
}

func (g *generatedObjects) list(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[source.Object], error] {
	return func(yield func(dmap.Item[source.Object], error) bool) {
		var first int64
		if s.From.Key != "" {
			last, err := strconv.ParseInt(s.From.Key, 10, 64)
			if err != nil {
				yield(dmap.Item[source.Object]{}, err)
				return
			}
			first = last + 1
		}
		for i := first; i < g.n; i++ {
			o := source.Object{Key: fmt.Sprintf("%012d", i), Size: rowsOfObject}.In(g.bucket)
			if !yield(dmap.Item[source.Object]{Key: o.Key, Offset: dmap.WholeObject, Index: i, Value: o, Next: dmap.Cursor{Key: o.Key}}, nil) {
				return
			}
		}
	}
}

func (g *generatedObjects) Items(ctx context.Context) iter.Seq2[dmap.Item[source.Object], error] {
	return g.list(ctx, dmap.Split{})
}

// rows are those of one object.
func (g *generatedObjects) rows(o source.Object) dmap.Source[int64] {
	return generatedRows{o.Key, &g.read}
}

type generatedRows struct {
	key  string
	read *atomic.Int64
}

func (g generatedRows) Plan() dmap.Plan[int64] {
	whole := dmap.Split{ID: g.key, Object: g.key}
	return dmap.Plan[int64]{
		Splits: func(context.Context) iter.Seq2[dmap.Split, error] {
			return func(yield func(dmap.Split, error) bool) { yield(whole, nil) }
		},
		Read: g.readRows, Whole: whole,
	}
}

func (g generatedRows) readRows(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int64], error] {
	return func(yield func(dmap.Item[int64], error) bool) {
		for i := s.From.Offset; i < rowsOfObject; i++ {
			if !yield(dmap.Item[int64]{Key: g.key, Offset: i, Index: i, Value: i, Next: dmap.Cursor{Offset: i + 1}}, nil) {
				g.read.Add(i + 1 - s.From.Offset)
				return
			}
		}
		g.read.Add(rowsOfObject - s.From.Offset)
	}
}

func (g generatedRows) Items(ctx context.Context) iter.Seq2[dmap.Item[int64], error] {
	return g.readRows(ctx, dmap.Split{})
}
