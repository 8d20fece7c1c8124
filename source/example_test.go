package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// bucketOf returns a bucket with pairs of keys and contents. A real program opens one by
// blob.OpenBucket.
func bucketOf(ctx context.Context, pairs ...string) *blob.Bucket {
	bucket := memblob.OpenBucket(nil)
	for pair := range slices.Chunk(pairs, 2) {
		if err := bucket.WriteAll(ctx, pair[0], []byte(pair[1]), nil); err != nil {
			log.Fatal(err)
		}
	}
	return bucket
}

// show prints what a source yields, as dmap.Map would read it.
func show[T any](ctx context.Context, src dmap.Source[T]) {
	for item, err := range src.Items(ctx) {
		switch {
		case err != nil:
			fmt.Println("the source ends:", err)
		case errors.Is(item.Err, dmap.ErrSkip):
			fmt.Println(item.ID(), "is skipped")
		case item.Err != nil:
			fmt.Println(item.ID(), "fails:", item.Err)
		default:
			fmt.Printf("%s = %+v\n", item.ID(), item.Value)
		}
	}
}

func ExampleObjects() {
	ctx := context.Background()
	bucket := bucketOf(ctx, "data/", "", "data/a.json", `{"amount": 3}`, "data/b.txt", "text", "other", "")
	defer bucket.Close()
	for item, err := range source.Objects(bucket, "data/", source.ObjectsOptions{Glob: "*.json"}).Items(ctx) {
		if err != nil || item.Err != nil {
			fmt.Println(item.Key, err, item.Err)
			continue
		}
		var order struct{ Amount int }
		if err := item.Value.DecodeJSON(ctx, &order); err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Key, item.Value.Size, order.Amount)
	}
	// Output:
	// data/ <nil> skip this item
	// data/a.json 13 3
	// data/b.txt <nil> skip this item
}

func ExampleCSV() {
	type order struct {
		ID    string
		Price float64   `csv:"price"`
		Due   time.Time `csv:"due"`
		Note  *string   `csv:"note"` // nil where the column is empty or missing
	}
	ctx := context.Background()
	bucket := bucketOf(ctx, "orders.csv", "ID,price,due\nA7,12.50,2026-11-23T08:00:00Z\nA8,free,2026-11-23T08:00:00Z\n")
	defer bucket.Close()
	show(ctx, source.CSV(bucket, "orders.csv", source.Into[order]))
	// Output: orders.csv@13 = {ID:A7 Price:12.5 Due:2026-11-23 08:00:00 +0000 UTC Note:<nil>}
	// orders.csv@43 fails: object "orders.csv" line 3 (byte 43), column "price": "free": invalid syntax
}

func ExampleMaps() {
	ctx := context.Background()
	bucket := bucketOf(ctx, "people.csv", "Ada;1815\nAlan;1912\n")
	defer bucket.Close()
	show(ctx, source.CSV(bucket, "people.csv", source.Maps,
		source.CSVOptions{Delimiter: ';', Header: []string{"name", "born"}}))
	// Output:
	// people.csv@0 = map[born:1815 name:Ada]
	// people.csv@9 = map[born:1912 name:Alan]
}

func ExampleStrings() {
	ctx := context.Background()
	bucket := bucketOf(ctx, "people.csv", "name,born\nAda,1815\nAlan\n")
	defer bucket.Close()
	show(ctx, source.CSV(bucket, "people.csv", source.Strings, source.CSVOptions{Ragged: source.RaggedFill}))
	// Output:
	// people.csv@10 = [Ada 1815]
	// people.csv@19 = [Alan ]
}

// A decoder of one's own makes a row into anything, with no reflection.
func ExampleCSV_decoder() {
	lengths := func(header []string) (func(source.Row) (int, error), error) {
		name := slices.Index(header, "name")
		if name < 0 {
			return nil, fmt.Errorf("no column name among %q", header)
		}
		return func(row source.Row) (int, error) { return len(row.Bytes(name)), nil }, nil
	}
	ctx := context.Background()
	bucket := bucketOf(ctx, "people.csv", "name,born\nAda,1815\nAlan,1912\n")
	defer bucket.Close()
	show(ctx, source.CSV(bucket, "people.csv", lengths))
	// Output:
	// people.csv@10 = 3
	// people.csv@19 = 4
}

func ExampleJSONLines() {
	type event struct{ Kind string }
	ctx := context.Background()
	bucket := bucketOf(ctx, "events.jsonl", `{"kind":"start"}`+"\n"+`{"kind":`+"\n")
	defer bucket.Close()
	show(ctx, source.JSONLines[event](bucket, "events.jsonl"))
	// Output: events.jsonl@0 = {Kind:start}
	// events.jsonl@17 fails: object "events.jsonl" line 2 (byte 17): json at byte 8: unexpected end of JSON input
}

// Another decoder than that of the standard library.
func ExampleJSONLines_decode() {
	ctx := context.Background()
	bucket := bucketOf(ctx, "words", "one\ntwo\n")
	defer bucket.Close()
	upper := func(line []byte) (string, error) { return string(bytes.ToUpper(line)), nil }
	show(ctx, source.JSONLines(bucket, "words", source.JSONLinesOptions[string]{Decode: upper}))
	// Output:
	// words@0 = ONE
	// words@4 = TWO
}

func ExampleJSONArray() {
	type event struct{ Kind string }
	ctx := context.Background()
	bucket := bucketOf(ctx, "events.json", `[{"kind": "start"}, {"kind": 7}, {"kind": "end"}]`)
	defer bucket.Close()
	for item, err := range source.JSONArray[event](bucket, "events.json").Items(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.ID(), item.Value.Kind, "failed:", item.Err != nil) // the text is that of encoding/json
	}
	// Output:
	// events.json@1 start failed: false
	// events.json@20  failed: true
	// events.json@33 end failed: false
}

func ExampleFlatten() {
	ctx := context.Background()
	bucket := bucketOf(ctx, "in/a.csv", "n\n1\n2\n", "in/b.csv", "n\n3\n", "in/c.csv", "n\n4\n\"5")
	defer bucket.Close()
	rows := source.Flatten(source.Objects(bucket, "in/"), func(o source.Object) dmap.Source[[]string] {
		return source.CSVOf(o, source.Strings)
	})
	show(ctx, rows)
	// Output:
	// in/a.csv@2 = [1]
	// in/a.csv@4 = [2]
	// in/b.csv@2 = [3]
	// in/c.csv@2 = [4]
	// in/c.csv@4 fails: object "in/c.csv" breaks off at offset 4: object "in/c.csv" line 3 (byte 4), column "1": a quote is opened here and never closed
}

func ExampleSlice() {
	show(context.Background(), source.Slice([]string{"a", "b"}))
	// Output:
	// item@0 = a
	// item@1 = b
}

func ExampleSeq() {
	show(context.Background(), source.Seq(strings.SplitSeq("a,b", ",")))
	// Output:
	// item@0 = a
	// item@1 = b
}

func ExampleSeq2() {
	show(context.Background(), source.Seq2(func(yield func(string, error) bool) {
		_ = yield("a", nil) && yield("", errors.New("the cursor was closed"))
	}))
	// Output:
	// item@0 = a
	// the source ends: the cursor was closed
}

func ExampleFilter() {
	even := func(n int) bool { return n%2 == 0 }
	show(context.Background(), source.Filter(source.Slice([]int{1, 2}), even))
	// Output:
	// item@0 is skipped
	// item@1 = 2
}

func ExampleTransform() {
	half := func(_ context.Context, n int) (int, error) {
		if n%2 == 1 {
			return 0, fmt.Errorf("%d is odd", n)
		}
		return n / 2, nil
	}
	show(context.Background(), source.Transform(source.Slice([]int{1, 2}), half))
	// Output:
	// item@0 fails: 1 is odd
	// item@1 = 1
}

func ExampleConcat() {
	show(context.Background(), source.Concat(source.Slice([]int{1}), source.Slice([]int{2})))
	// Output:
	// 0/item@0 = 1
	// 1/item@0 = 2
}
