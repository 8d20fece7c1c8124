package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

// verdict makes a record of 376 bytes.
type verdict struct {
	Applicant string  `json:"applicant"`
	Approved  bool    `json:"approved"`
	Rate      float64 `json:"rate"`
	Reason    string  `json:"reason"`
}

func verdicts(n int) []dmap.Result[verdict] {
	results := make([]dmap.Result[verdict], n)
	for i := range results {
		results[i] = row(i, verdict{Applicant: "Ada Lovelace", Approved: true, Rate: 4.25, Reason: strings.Repeat("income ", 19)})
		results[i].Key = "applications/2026/11/loans-000017.jsonl"
	}
	return results
}

const perWrite = 64

// BenchmarkWrite is the time per result of Bucket into a store that keeps nothing, its SHA-256
// included.
func BenchmarkWrite(b *testing.B) {
	store := new(discard)
	bucket := blob.NewBucket(store)
	defer bucket.Close()
	f := sink.Bucket[verdict](bucket, "out")
	if err := f.Begin(b.Context(), dmap.RunSpec{RunID: "r"}); err != nil {
		b.Fatal(err)
	}
	results := verdicts(perWrite)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		n := 0
		for pb.Next() {
			if n++; n%perWrite == 0 {
				if err := f.Write(context.Background(), results); err != nil {
					b.Error(err)
				}
			}
		}
	})
	if err := f.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(store.bytes.Load())/float64(b.N), "B/result")
	if err := f.End(b.Context(), dmap.Ending{}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWriteFailures writes failures of 12 and of 5,000 kinds, each of another item.
func BenchmarkWriteFailures(b *testing.B) {
	for _, kinds := range []int{12, 5000} {
		b.Run(fmt.Sprintf("kinds=%d", kinds), func(b *testing.B) {
			bucket := blob.NewBucket(new(discard))
			defer bucket.Close()
			f := sink.Bucket[verdict](bucket, "out")
			if err := f.Begin(b.Context(), dmap.RunSpec{RunID: "r"}); err != nil {
				b.Fatal(err)
			}
			errs := make([]error, kinds)
			for i := range errs {
				errs[i] = fmt.Errorf("kind %s: loan 4711: dial tcp 10.0.0.1:443: connection refused", letters(i))
			}
			one := []dmap.Result[verdict]{{Info: dmap.Info{Offset: dmap.WholeObject, Attempt: 1}, Input: new(int)}}
			b.ReportAllocs()
			for i := range b.N {
				one[0].Key, one[0].Err = fmt.Sprintf("loans/2026/%02d/loan-%d.json", i%12, i), errs[i%kinds]
				if err := f.Write(b.Context(), one); err != nil {
					b.Fatal(err)
				}
			}
			if err := errors.Join(f.Flush(b.Context()), f.End(b.Context(), dmap.Ending{})); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkEncoder is what one writes by hand: json.Encoder of the same record under a mutex, into
// a buffer, without SHA-256.
func BenchmarkEncoder(b *testing.B) {
	type record struct {
		ID       string  `json:"id"`
		Key      string  `json:"key"`
		Offset   int64   `json:"offset"`
		Split    string  `json:"split,omitempty"`
		Index    int64   `json:"index"`
		Attempts int     `json:"attempts"`
		Elapsed  int64   `json:"elapsed"`
		Output   verdict `json:"output"`
	}
	var mu sync.Mutex
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	results := verdicts(perWrite)
	var written int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		n := 0
		for pb.Next() {
			r := &results[n%perWrite]
			n++
			mu.Lock()
			err := encoder.Encode(record{r.ID(), r.Key, r.Offset, r.Split, r.Index, r.Attempt, r.Elapsed.Nanoseconds(), r.Value})
			if buf.Len() > 8<<20 {
				written += int64(buf.Len())
				buf.Reset()
			}
			mu.Unlock()
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(written+int64(buf.Len()))/float64(b.N), "B/result")
}
