package sharedrun

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/source"
)

// The leases of the first page may have read their pieces before.
func TestAnObjectThatIsReplacedBetweenPagesOfItsPlanIsRefused(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	put := func(letter string) { // 2 MB: of many objects, small ones are not divided
		rows := strings.Repeat(`"`+strings.Repeat(letter, 20_000)+"\"\n", 100)
		require.NoError(t, bucket.WriteAll(t.Context(), "in/rows.jsonl", []byte(rows), nil))
	}
	for name, src := range map[string]func(b *blob.Bucket) dmap.Source[string]{
		"alone": func(b *blob.Bucket) dmap.Source[string] { return source.JSONLines[string](b, "in/rows.jsonl") },
		"many": func(b *blob.Bucket) dmap.Source[string] {
			return source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[string] { return source.JSONLinesOf[string](o) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			machine := func() *Machine[string, int] { return newMachine(t, bucket, name, src(bucket)) }
			put("a")
			m := machine()
			begun, err := m.Begin(t.Context(), lease.Starter{}, nil)
			require.NoError(t, err)
			page, err := m.Plan(t.Context(), begun.Era, coord.PlanTask{Task: 1, Pieces: 3, Items: 10})
			require.NoError(t, err)
			require.Len(t, page.Pieces, 3)
			next := coord.PlanTask{Task: 2, Pieces: 3, Items: 10, After: page.Next}
			_, err = machine().Plan(t.Context(), begun.Era, next)
			require.NoError(t, err)

			put("b")
			_, err = machine().Plan(t.Context(), begun.Era, next)
			require.ErrorIs(t, err, dmap.ErrSpecChanged)
		})
	}
}
