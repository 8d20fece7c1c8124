package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

const (
	encoderName  = "json.Encoder, one mutex"
	resultsName  = "sink.Bucket"
	largeResults = "sink.Bucket, parts of 64 MiB"

	perChunk = 64 // results in one Write
	byHandMB = 4  // MiB of a part
)

// results measures the cost of writing one result as a JSON line to an object of a store that
// drops the bytes.
var results = table{
	name: "results", unit: "result",
	what: "records of 376 bytes as JSON lines from 100 goroutines; ours with SHA-256 and all data of the manifest",
	n:    1_000_000, concurrency: 100,
	figures: []figure{cpuNanos, allocs, allocBytes, wallNanos, addedMiB, peakMiB},
	base:    encoderName,
	cases: []benchCase{
		{name: encoderName, run: linesByHand(func() encodeLine { return jsonEncoder() })},
		{name: "json.Marshal, one mutex", run: linesByHand(func() encodeLine { return marshal })},
		{name: "append by hand, one mutex", run: linesByHand(func() encodeLine { return appendLine })},
		{name: resultsName, run: intoSink(sink.BucketOptions{}), ours: true},
		{name: largeResults, run: intoSink(sink.BucketOptions{PartBytes: 64 << 20}), ours: true},
	},
	targets: []target{
		{of: resultsName, figure: cpuNanos, against: encoderName, most: 1},
		{of: resultsName, figure: addedMiB, most: 44, note: "40 MiB and the buffer of one part"},
		{of: resultsName, figure: allocs, most: 0.1},
	},
}

// opinion is an output that makes a record of 376 bytes.
type opinion struct {
	Applicant string  `json:"applicant"`
	Approved  bool    `json:"approved"`
	Rate      float64 `json:"rate"`
	Reason    string  `json:"reason"`
}

// line is the record written by the hand-written cases. It equals the sink's record.
type line struct {
	ID       string  `json:"id"`
	Key      string  `json:"key"`
	Offset   int64   `json:"offset"`
	Index    int64   `json:"index"`
	Attempts int     `json:"attempts"`
	Elapsed  int64   `json:"elapsed"`
	Output   opinion `json:"output"`
}

var reason = strings.Repeat("income ", 21)

func resultAt(i int64) dmap.Result[opinion] {
	return dmap.Result[opinion]{
		Info:    dmap.Info{Key: "applications/2026/11/loans-000017.jsonl", Offset: i, Index: i, Attempt: 1},
		Value:   opinion{Applicant: "Ada Lovelace", Approved: true, Rate: 4.25, Reason: reason},
		Elapsed: time.Millisecond,
	}
}

func lineAt(i int64) line {
	r := resultAt(i)
	return line{r.ID(), r.Key, r.Offset, r.Index, r.Attempt, r.Elapsed.Nanoseconds(), r.Value}
}

// inChunks calls write for all items, in chunks, from work.Concurrency goroutines.
func inChunks(ctx context.Context, work workload, write func(ctx context.Context, from, to int64) error) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range work.Concurrency {
		group.Go(func() error {
			for from := next.Add(perChunk) - perChunk; from < work.N; from = next.Add(perChunk) - perChunk {
				if err := write(ctx, from, min(from+perChunk, work.N)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func intoSink(opts sink.BucketOptions) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		store := new(nowhere)
		bucket := blob.NewBucket(store)
		defer bucket.Close()
		folder := sink.Bucket[opinion](bucket, "out", opts)
		work.start()
		if err := folder.Begin(ctx, dmap.RunSpec{RunID: "r"}); err != nil {
			return outcome{}, err
		}
		chunks := sync.Pool{New: func() any { return new([perChunk]dmap.Result[opinion]) }}
		err := inChunks(ctx, work, func(ctx context.Context, from, to int64) error {
			chunk := chunks.Get().(*[perChunk]dmap.Result[opinion])
			defer chunks.Put(chunk)
			for i := from; i < to; i++ {
				chunk[i-from] = resultAt(i)
			}
			return folder.Write(ctx, chunk[:to-from])
		})
		if err != nil {
			return outcome{}, err
		}
		if err := folder.Flush(ctx); err != nil {
			return outcome{}, err
		}
		if err := folder.End(ctx, dmap.Ending{}); err != nil {
			return outcome{}, err
		}
		work.stop()
		return outcome{Succeeded: work.N, Bytes: store.bytes.Load()}, nil
	}
}

// encodeLine appends a record and a newline to buf.
type encodeLine func(buf *bytes.Buffer, l *line) error

func jsonEncoder() encodeLine {
	var to *bytes.Buffer
	var enc *json.Encoder
	return func(buf *bytes.Buffer, l *line) error {
		if buf != to {
			to, enc = buf, json.NewEncoder(buf)
			enc.SetEscapeHTML(false)
		}
		return enc.Encode(l)
	}
}

func marshal(buf *bytes.Buffer, l *line) error {
	data, err := json.Marshal(l)
	buf.Write(data)
	buf.WriteByte('\n')
	return err
}

// appendLine relies on records whose strings need no escaping.
func appendLine(buf *bytes.Buffer, l *line) error {
	b := append(buf.AvailableBuffer(), `{"id":"`...)
	b = append(append(b, l.ID...), `","key":"`...)
	b = append(append(b, l.Key...), `","offset":`...)
	b = append(strconv.AppendInt(b, l.Offset, 10), `,"index":`...)
	b = append(strconv.AppendInt(b, l.Index, 10), `,"attempts":`...)
	b = append(strconv.AppendInt(b, int64(l.Attempts), 10), `,"elapsed":`...)
	b = append(strconv.AppendInt(b, l.Elapsed, 10), `,"output":{"applicant":"`...)
	b = append(append(b, l.Output.Applicant...), `","approved":`...)
	b = append(strconv.AppendBool(b, l.Output.Approved), `,"rate":`...)
	b = append(strconv.AppendFloat(b, l.Output.Rate, 'f', -1, 64), `,"reason":"`...)
	b = append(append(b, l.Output.Reason...), "\"}}\n"...)
	buf.Write(b)
	return nil
}

// linesByHand is a typical program without a library: it encodes under a mutex to a buffer, and
// uploads the buffer when it is full.
func linesByHand(encoder func() encodeLine) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		store := new(nowhere)
		bucket := blob.NewBucket(store)
		defer bucket.Close()
		encode := encoder()
		var mu sync.Mutex // guards the variables below
		var buf bytes.Buffer
		parts := 0
		upload := func() error {
			parts++
			err := bucket.Upload(ctx, fmt.Sprintf("part-%06d", parts), bytes.NewReader(buf.Bytes()), &blob.WriterOptions{ContentType: "application/jsonl"})
			buf.Reset()
			return err
		}
		add := func(i int64) error {
			l := lineAt(i)
			mu.Lock()
			defer mu.Unlock()
			if err := encode(&buf, &l); err != nil || buf.Len() < byHandMB<<20 {
				return err
			}
			return upload()
		}
		work.start()
		err := inChunks(ctx, work, func(_ context.Context, from, to int64) error {
			for i := from; i < to; i++ {
				if err := add(i); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			err = upload()
		}
		work.stop()
		return outcome{Succeeded: work.N, Bytes: store.bytes.Load()}, err
	}
}

// nowhere is a store that counts the bytes it gets and drops them.
type nowhere struct {
	driver.Bucket // nil: its other methods are not called
	bytes         atomic.Int64
}

func (n *nowhere) As(any) bool                        { return false }
func (n *nowhere) Close() error                       { return nil }
func (n *nowhere) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }

func (n *nowhere) NewTypedWriter(context.Context, string, string, *driver.WriterOptions) (driver.Writer, error) {
	return nowhereWriter{n}, nil
}

type nowhereWriter struct{ n *nowhere }

func (w nowhereWriter) Write(p []byte) (int, error) {
	w.n.bytes.Add(int64(len(p)))
	return len(p), nil
}

func (w nowhereWriter) Close() error { return nil }
