package sink_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

type priced struct {
	ID    string
	Cents cents
}

type cents int64

func (c cents) MarshalText() ([]byte, error) { return []byte("12.34"), nil }

type plainPriced struct {
	ID    string
	Cents string
}

func benchWrite[R any](b *testing.B, v R) {
	bucket := blob.NewBucket(new(discard))
	defer bucket.Close()
	f := sink.Bucket[R](bucket, "out", sink.BucketOptions{Express: true})
	require.NoError(b, f.Begin(b.Context(), dmap.RunSpec{RunID: "r"}))
	all := make([]dmap.Result[R], 100)
	for i := range all {
		all[i].Key, all[i].Value = "rows.csv", v
	}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, f.Write(b.Context(), all))
	}
}

func BenchmarkWriteMethods(b *testing.B) { benchWrite(b, priced{ID: "a"}) }
func BenchmarkWritePlain(b *testing.B)   { benchWrite(b, plainPriced{ID: "a", Cents: "12.34"}) }
