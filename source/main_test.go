package source_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// skipWithRaceDetector skips a test of listing times in virtual time, which takes minutes with the
// race detector. The conformance tests of listings run with it; make test runs this one without.
func skipWithRaceDetector(t *testing.T) {
	t.Helper()
	if testsize.RaceDetector {
		t.Skip("too slow with the race detector: make test runs it without")
	}
}

// memory returns a bucket in memory that holds objects.
func memory(tb testing.TB, objects map[string]string) *blob.Bucket {
	tb.Helper()
	return filled(tb, memblob.OpenBucket(nil), objects)
}

// folder returns a bucket of files that holds objects.
func folder(tb testing.TB, objects map[string]string) *blob.Bucket {
	tb.Helper()
	bucket, err := fileblob.OpenBucket(tb.TempDir(), &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	require.NoError(tb, err)
	return filled(tb, bucket, objects)
}

func filled(tb testing.TB, bucket *blob.Bucket, objects map[string]string) *blob.Bucket {
	tb.Helper()
	tb.Cleanup(func() { require.NoError(tb, bucket.Close()) })
	for key, data := range objects {
		require.NoError(tb, bucket.WriteAll(tb.Context(), key, []byte(data), nil))
	}
	return bucket
}

// read collects all items of src.
func read[T any](tb testing.TB, src dmap.Source[T]) []dmap.Item[T] {
	tb.Helper()
	items, err := try(tb.Context(), src)
	require.NoError(tb, err)
	return items
}

// try collects the items of src up to its error.
func try[T any](ctx context.Context, src dmap.Source[T]) ([]dmap.Item[T], error) {
	var items []dmap.Item[T]
	for item, err := range src.Items(ctx) {
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
	return items, nil
}

// values are those of the items that can be read.
func values[T any](items []dmap.Item[T]) []T {
	var all []T
	for _, item := range items {
		if item.Err == nil {
			all = append(all, item.Value)
		}
	}
	return all
}

// lines describes items one by one: the ID, then the value or what is wrong.
func lines[T any](items []dmap.Item[T]) string {
	var b strings.Builder
	for _, item := range items {
		if item.Err != nil {
			fmt.Fprintf(&b, "%s ! %v\n", item.ID(), item.Err)
		} else {
			fmt.Fprintf(&b, "%s %v\n", item.ID(), item.Value)
		}
	}
	return b.String()
}

// plan returns the Plan of src.
func plan[T any](src dmap.Source[T]) dmap.Plan[T] { return dmap.PlanOf(src) }
