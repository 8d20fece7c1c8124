package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// job is a run that all programs do. It goes through JSON.
type job struct {
	Name  string
	About string
	Items int
	Lines bool          // the items are the lines of an object. Else they are numbers
	Call  time.Duration // the shortest call; 0: it does nothing
	Tail  bool          // most calls are short, and some 16 times as long
	Slots int           // calls at once
	Each  int           // of them, those of a lease or of a batch
	Few   int           // items of the run in batches; 0: all
}

func jobs() []job {
	return []job{
		{Name: "trivial", About: "calls that do nothing, numbers", Items: 15_000_000, Slots: 48, Each: 16, Few: 200_000},
		{Name: "lines", About: "calls that do nothing, lines of one object", Items: 6_000_000, Lines: true, Slots: 48, Each: 16},
		{Name: "uneven", About: "calls of 100 ms to 1.6 s", Items: 60_000, Call: 100 * time.Millisecond, Tail: true, Slots: 300, Each: 16},
		{Name: "short", About: "calls of 20 ms", Items: 20_000, Call: 20 * time.Millisecond, Slots: 90, Each: 8},
	}
}

const (
	queue      = "bench" // of tasks
	inputKey   = "in.jsonl"
	resultsKey = "runs/"
)

type line struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// prepare writes the input.
func (j job) prepare(ctx context.Context, bucket *blob.Bucket) error {
	if !j.Lines {
		return nil
	}
	w, err := bucket.NewWriter(ctx, inputKey, nil)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriter(w)
	for i := range j.Items {
		fmt.Fprintf(buffer, `{"id":%d,"name":"customer %d of the bench"}`+"\n", i, i)
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	return w.Close()
}

// duration is the time of the call for item i.
func (j job) duration(i int) time.Duration {
	if !j.Tail {
		return j.Call
	}
	random := rand.New(rand.NewPCG(uint64(i), 1))
	return time.Duration(float64(j.Call) * min(16, math.Pow(1-random.Float64(), -0.8)))
}

// ideal is the shortest possible wall time.
func (j job) ideal() (sum time.Duration) {
	if j.Call == 0 {
		return 0
	}
	for i := range j.Items {
		sum += j.duration(i)
	}
	return sum / time.Duration(j.Slots)
}

func (j job) call(ctx context.Context, i int) (int, error) {
	d := j.duration(i)
	if d == 0 {
		return i, nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return i, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// source has the numbers of all items.
func (j job) source(bucket *blob.Bucket) dmap.Source[int] {
	if j.Lines {
		return source.Transform(source.JSONLines[line](bucket, inputKey), func(_ context.Context, l line) (int, error) { return l.ID, nil })
	}
	values := make([]int, j.Items)
	for i := range values {
		values[i] = i
	}
	return source.Slice(values)
}

func (j job) define(bucket *blob.Bucket) dmaptemporal.Map[struct{}] {
	return dmaptemporal.Define("bench/"+j.Name, func(context.Context, struct{}) (dmaptemporal.Job[int, int], error) {
		return dmaptemporal.Job[int, int]{Source: j.source(bucket), Call: j.call, Sink: sink.Bucket[int](bucket, resultsKey)}, nil
	})
}
