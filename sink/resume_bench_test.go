package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/sink"
)

// million is a source of a million numbers and one more, in one split that can be read from
// anywhere.
type million struct{}

const settledItems = 1_000_000

func (million) String() string { return "a million" }

func (m million) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return m.Read(ctx, dmap.Split{ID: "all"})
}

func (m million) Plan() dmap.Plan[int] { return dmap.Plan[int]{Splits: m.Splits, Read: m.Read} }

func (million) Splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) { _ = yield(dmap.Split{ID: "all"}, nil) }
}

func (million) Read(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	end := s.To.Offset
	if end == 0 {
		end = settledItems + 1
	}
	return func(yield func(dmap.Item[int], error) bool) {
		for i := s.From.Offset; i < end; i++ {
			if !yield(dmap.Item[int]{Key: "m", Offset: i, Index: i, Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}

// BenchmarkResumeOfAMillion prints how long a run with a million settled items takes from Map to
// its first call: with one interval, and with 10,000 intervals and as many parts and commits. It
// asserts no time.
func BenchmarkResumeOfAMillion(b *testing.B) {
	for _, pieces := range []int64{1, 10_000} {
		b.Run(fmt.Sprintf("%d intervals", pieces), func(b *testing.B) {
			bucket, total := folderWith(b, pieces), time.Duration(0)
			for b.Loop() {
				total += firstCall(b, bucket)
			}
			b.ReportMetric(total.Seconds()/float64(b.N), "s/first-call")
		})
	}
}

// folderWith has a run of as many commits as pieces, each of a part and an interval that touches no
// other.
func folderWith(b *testing.B, pieces int64) *blob.Bucket {
	b.Helper()
	bucket, err := fileblob.OpenBucket(b.TempDir(), &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	require.NoError(b, err)
	b.Cleanup(func() { _ = bucket.Close() })
	f := sink.Bucket[int](bucket, "out")
	begin := dmap.RunSpec{RunID: "r", Source: "a million", Started: time.Now()}
	log, _, _, err := f.OpenJournal(b.Context(), begin, nil)
	require.NoError(b, err)
	require.NoError(b, f.Begin(b.Context(), begin))
	each := settledItems / pieces
	for i := range pieces {
		require.NoError(b, f.Write(b.Context(), one(row(int(i), 1))))
		f.Barrier()
		state, err := f.Commit(b.Context())
		require.NoError(b, err)
		v := journal.Interval{Split: "all", From: journal.Cursor{Offset: i * each}, To: journal.Cursor{Offset: (i+1)*each - 1}}
		require.NoError(b, log.Append(b.Context(), journal.Commit{
			Number: i, Settled: []journal.Interval{v}, States: map[string]json.RawMessage{"0": state},
			Counts: journal.Counts{Read: each - 1, Taken: each - 1, Succeeded: each - 1},
		}))
	}
	require.NoError(b, f.End(b.Context(), dmap.Ending{Resumable: true}))
	return bucket
}

// firstCall resumes the run until its first call.
func firstCall(b *testing.B, bucket *blob.Bucket) (took time.Duration) {
	b.Helper()
	ctx, cancel := context.WithCancelCause(b.Context())
	defer cancel(nil)
	began := time.Now()
	_, err := dmap.Map(ctx, million{}, func(ctx context.Context, _ int) (int, error) {
		took = time.Since(began)
		cancel(dmap.ErrSuspended)
		<-ctx.Done()
		return 0, ctx.Err()
	}, dmap.Options{RunID: "r", MaxConcurrency: 1, DrainTimeout: time.Millisecond}, sink.Bucket[int](bucket, "out"))
	if !errors.Is(err, dmap.ErrSuspended) {
		b.Fatal(err)
	}
	return took
}
