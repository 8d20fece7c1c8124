package source_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

func gzipped(tb testing.TB, text string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return b.String()
}

func zstandard(tb testing.TB, text string) string {
	tb.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(tb, err)
	defer w.Close()
	return string(w.EncodeAll([]byte(text), nil))
}

func TestCompressedSourcesConform(t *testing.T) {
	objects := map[string]string{
		"rows.csv.gz": gzipped(t, manyRows()[:200]) + gzipped(t, manyRows()[200:]), "rows.csv.zst": zstandard(t, manyRows()), "lines.jsonl.GZ": gzipped(t, manyLines()),
		"array.zst": zstandard(t, manyValues()), "unnamed": gzipped(t, manyLines()), "plain.gz": manyRows(),
	}
	bucket := folder(t, objects)
	rows := func(key string) func(testing.TB) dmap.Source[[]string] {
		return func(testing.TB) dmap.Source[[]string] { return source.CSV(bucket, key, source.Strings) }
	}
	for _, key := range []string{"rows.csv.gz", "rows.csv.zst", "plain.gz"} {
		t.Run(key, func(t *testing.T) {
			dmaptest.TestSource(t, rows(key))
			plain := source.CSV(memory(t, map[string]string{"k": manyRows()}), "k", source.Strings)
			require.Equal(t, values(read(t, plain)), values(read(t, rows(key)(t))))
		})
	}
	t.Run("json lines", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] { return source.JSONLines[number](bucket, "lines.jsonl.GZ") })
	})
	t.Run("json array", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] { return source.JSONArray[number](bucket, "array.zst") })
	})
	t.Run("by its content", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] {
			return source.JSONLines(bucket, "unnamed", source.JSONLinesOptions[number]{Decompress: source.DecompressAny})
		})
	})
}

func TestWhatIsNotToBeDecompressedIsRefused(t *testing.T) {
	bucket := memory(t, map[string]string{"k": gzipped(t, "a\n1\n"), "k.gz": gzipped(t, "a\n1\n"), "twice.gz": gzipped(t, gzipped(t, "a\n1\n"))})
	for key, d := range map[string]source.Decompress{"k": source.DecompressByName, "k.gz": source.DecompressNone, "twice.gz": source.DecompressByName} {
		_, err := try(t.Context(), source.CSV(bucket, key, source.Strings, source.CSVOptions{Decompress: d}))
		require.ErrorContains(t, err, "compressed with gzip", key)
	}
	_, err := try(t.Context(), source.CSV(bucket, "k", source.Strings, source.CSVOptions{Decompress: 9}))
	require.ErrorContains(t, err, "Decompress 9 is unknown")
}

func TestCompressedObjectThatIsDamagedSaysWhere(t *testing.T) {
	var text strings.Builder
	text.WriteString("a,b\n")
	for i := range 100_000 {
		fmt.Fprintf(&text, "%d,%d\n", i, i*7919%10007)
	}
	whole := gzipped(t, text.String())
	items, err := try(t.Context(), source.CSV(memory(t, map[string]string{"k.gz": whole[:len(whole)/2]}), "k.gz", source.Strings))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, `object "k.gz": gzip at decompressed byte`)
	require.NotEmpty(t, items, "what came before it is read")

	bomb := gzipped(t, "a\n"+strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz\n", 450<<10))
	_, err = try(t.Context(), source.CSV(memory(t, map[string]string{"k.gz": bomb}), "k.gz", source.Strings))
	var limit *source.LimitError
	require.ErrorAs(t, err, &limit)
	require.Equal(t, "k.gz", limit.Object)
	require.Equal(t, "decompressed bytes for each byte", limit.Limit)
	require.Positive(t, limit.Offset)

	bucket := memory(t, map[string]string{"in/a.csv.gz": gzipped(t, "n\n1\n"), "in/b.csv.gz": "\x1f\x8b\x08", "in/c.csv": "n\n2\n"})
	rest := read(t, source.Flatten(source.Objects(bucket, "in/"), rowsIn))
	require.Equal(t, [][]string{{"1"}, {"2"}}, values(rest), "one that is broken costs one item")
	require.Len(t, rest, 3)
}

func TestCompressedObjectSurvivesABrokenBody(t *testing.T) {
	var text strings.Builder
	text.WriteString(manyRows())
	for i := range 30_000 {
		fmt.Fprintf(&text, "%d,%x\n", i, uint32(i)*2654435761)
	}
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k.gz": gzipped(t, text.String())}))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Nth: 2, Kind: dmaptest.Reset, After: 100})
	require.Len(t, values(read(t, source.CSV(bucket.Bucket, "k.gz", source.Strings))), 30_060)
}
