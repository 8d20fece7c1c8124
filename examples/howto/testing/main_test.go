package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// texts returns a bucket in memory with n objects of three words each.
func texts(t *testing.T, n int) *blob.Bucket {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })
	for i := range n {
		require.NoError(t, bucket.WriteAll(t.Context(), fmt.Sprintf("texts/%02d", i), []byte("one two three"), nil))
	}
	return bucket
}

func TestWordsOfEveryObjectAreCounted(t *testing.T) {
	var words sink.Memory[int]
	stats, err := countWords(t.Context(), texts(t, 20), &words, 4)
	require.NoError(t, err)
	require.EqualValues(t, 20, stats.Succeeded)
	for _, n := range words.Values() {
		require.Equal(t, 3, n)
	}
}

func TestAReadThatFailsOnceIsRepeated(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, texts(t, 20))
	hits := bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "texts/07", Kind: dmaptest.Fail})
	var words sink.Memory[int]
	stats, err := countWords(t.Context(), bucket.Bucket, &words, 4)
	require.NoError(t, err)
	require.Equal(t, 1, hits())
	require.EqualValues(t, 20, stats.Succeeded)
	require.EqualValues(t, 1, stats.Retries)
}

func TestAnObjectThatCannotBeReadFailsAlone(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, texts(t, 20))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "texts/07", Kind: dmaptest.Fail, Sticky: true})
	var words sink.Memory[int]
	stats, err := countWords(t.Context(), bucket.Bucket, &words, 4)
	require.NoError(t, err, "one failure is tolerated")
	require.EqualValues(t, 19, stats.Succeeded)
	require.Len(t, words.Failed(), 1)
	require.Equal(t, "texts/07", words.Failed()[0].Key)
	require.ErrorIs(t, words.Failed()[0].Err, dmaptest.ErrInjected)
}

func TestResultsThatCannotBeWrittenFailTheRun(t *testing.T) {
	out := dmaptest.NewFaultBucket(t, memblob.OpenBucket(nil))
	out.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: "SUCCEEDED_", Kind: dmaptest.Fail, Sticky: true})
	_, err := countWords(t.Context(), texts(t, 20), sink.Bucket[int](out.Bucket, "runs/"), 4)
	var broken *dmap.SinkError
	require.ErrorAs(t, err, &broken)
}

func TestNoMoreCallsRunAtOnceThanAllowed(t *testing.T) {
	var gauge dmaptest.Gauge
	counted := dmaptest.Gauged(&gauge, count)
	_, err := dmap.Map(context.Background(), source.Objects(texts(t, 50), "texts/"), counted, dmap.Options{MaxConcurrency: 4})
	require.NoError(t, err)
	gauge.AtMost(t, 4)
}
