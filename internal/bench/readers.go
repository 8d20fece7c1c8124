package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/bytedance/sonic"
	jsonv2 "github.com/go-json-experiment/json"
	goccy "github.com/goccy/go-json"
	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	segmentio "github.com/segmentio/encoding/json"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/record"
	"github.com/go-dmap/dmap/source"
)

// readers returns the tables for reading one object in memory. "dmap" is the source: it reads the
// whole object with one request from a bucket in memory. "record reader" is the layer below, which
// only finds the records.
func readers() []table {
	return []table{rawRows("csv/taxi", taxiRows), rawRows("csv/inventory", inventoryRows), typedTaxi, jsonLines, jsonArray, compressed, csvMemory()}
}

const maxRecord = 1 << 20

// reading is a case that reads data and counts its records. Making the data is not measured.
func reading(name string, make func(n int64) []byte, read func(ctx context.Context, data []byte) (int64, error)) benchCase {
	return benchCase{name: name, run: func(ctx context.Context, work workload) (outcome, error) {
		data := make(work.N)
		work.start()
		n, err := read(ctx, data)
		work.stop()
		return outcome{Succeeded: n, Bytes: int64(len(data))}, err
	}}
}

// bySource is a case of ours: it counts the items of a source of one object in a bucket in memory.
func bySource[T any](name, key string, make func(n int64) []byte, open func(o source.Object) dmap.Source[T]) benchCase {
	return fromBucket(func(workload) (*blob.Bucket, error) { return memblob.OpenBucket(nil), nil }, name, key, make, open)
}

// byFile is bySource for an object in a folder. Go's heap grows to twice the live memory, so the
// memory of the reader is visible only if the object itself is not on the heap.
func byFile[T any](name, key string, make func(n int64) []byte, open func(o source.Object) dmap.Source[T]) benchCase {
	return fromBucket(func(work workload) (*blob.Bucket, error) { return openFolder(work.Scratch) }, name, key, make, open)
}

func fromBucket[T any](
	bucketOf func(workload) (*blob.Bucket, error), name, key string, make func(n int64) []byte, open func(o source.Object) dmap.Source[T],
) benchCase {
	return benchCase{name: name, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
		bucket, err := bucketOf(work)
		if err != nil {
			return outcome{}, err
		}
		defer bucket.Close()
		if err := bucket.WriteAll(ctx, key, make(work.N), nil); err != nil {
			return outcome{}, err
		}
		attributes, err := bucket.Attributes(ctx, key)
		if err != nil {
			return outcome{}, err
		}
		src := open(source.Object{Key: key, Size: -1}.In(bucket))
		work.start()
		n, err := countItems(dmap.PlanOf(src).Read(ctx, dmap.Split{}))
		work.stop()
		return outcome{Succeeded: n, Bytes: attributes.Size}, err
	}}
}

func countItems[T any](items iter.Seq2[dmap.Item[T], error]) (n int64, err error) {
	for item, err := range items {
		if err != nil {
			return n, err
		}
		if item.Err != nil {
			return n, item.Err
		}
		n++
	}
	return n, nil
}

var readerFigures = []figure{perCPUSecond, allocs, addedMiB}

const taxiHeader = "VendorID,pickup,dropoff,passengers,distance,rate,flag,from,to,payment,fare,extra,tax,tip,tolls,surcharge,total,congestion,airport\n"

// taxiRows returns rows like those of taxi trip data: 19 columns, no quotes.
func taxiRows(n int64) []byte {
	b := bytes.NewBufferString(taxiHeader)
	for i := range n {
		fmt.Fprintf(b, "%d,2026-11-%02d 08:%02d:00,2026-11-%02d 08:%02d:41,%d,%.2f,1,N,%d,%d,%d,%.2f,0.5,0.5,%.2f,0,0.3,%.2f,2.5,0\n",
			i%2+1, i%30+1, i%60, i%30+1, i%60, i%5, float64(i%3000)/97, i%265, i*7%265, i%4, float64(i%9000)/97, float64(i%700)/91, float64(i%9999)/79)
	}
	return b.Bytes()
}

// inventoryRows returns rows like those of an S3 inventory with all optional fields. Every field
// is quoted.
func inventoryRows(n int64) []byte {
	b := bytes.NewBufferString("")
	for i := range 18 {
		fmt.Fprintf(b, "\"column %d\"%s", i, map[bool]string{true: "\n", false: ","}[i == 17])
	}
	for i := range n {
		fmt.Fprintf(b, `"some-bucket","data/2026/11/%02d/part-%08d.parquet","","true","false","%d","2026-11-%02dT08:%02d:00.000Z","%032x",`+
			`"STANDARD","false","","SSE-S3","","","","","DISABLED","CRC64NVME"`+"\n",
			i%30+1, i, i*7919%100_000_000, i%30+1, i%60, i*104729)
	}
	return b.Bytes()
}

// rawRows splits rows into fields, without conversion.
func rawRows(name string, make func(n int64) []byte) table {
	return table{
		name: "readers/" + name, what: "rows of one CSV object in memory, split into fields", unit: "row", n: 400_000,
		figures: readerFigures, base: "encoding/csv, ReuseRecord",
		cases: []benchCase{
			reading("encoding/csv, ReuseRecord", make, func(_ context.Context, data []byte) (n int64, err error) {
				r := csv.NewReader(bytes.NewReader(data))
				r.ReuseRecord = true
				for n = -1; ; n++ {
					if _, err := r.Read(); err == io.EOF {
						return n, nil
					} else if err != nil {
						return n, err
					}
				}
			}),
			ours(reading("dmap, record reader", make, func(_ context.Context, data []byte) (n int64, err error) {
				r := record.NewCSV(bytes.NewReader(data), 0, int64(len(data)), record.CSVOptions{Delimiter: ',', MaxRecord: maxRecord, MaxFields: 1000})
				for n = -1; ; n++ {
					if err := r.Next(); err == io.EOF {
						return n, nil
					} else if err != nil {
						return n, err
					}
				}
			})),
			bySource("dmap, source.CSV", "k.csv", make, func(o source.Object) dmap.Source[int] { return source.CSVOf(o, lengthOf) }),
		},
		targets: []target{
			{of: "dmap, record reader", figure: perCPUSecond, against: "encoding/csv, ReuseRecord", least: 4},
			{of: "dmap, record reader", figure: allocs, most: 0.01},
			{of: "dmap, source.CSV", figure: allocs, most: 0.01},
		},
	}
}

func ours(c benchCase) benchCase {
	c.ours = true
	return c
}

// lengthOf decodes a row to the length of its first field.
func lengthOf([]string) (func(source.Row) (int, error), error) {
	return func(row source.Row) (int, error) { return len(row.Bytes(0)), nil }, nil
}

// taxiRow is a decoded row of taxiRows.
type taxiRow struct {
	VendorID   int     `csv:"VendorID"`
	Pickup     string  `csv:"pickup"`
	Dropoff    string  `csv:"dropoff"`
	Passengers int     `csv:"passengers"`
	Distance   float64 `csv:"distance"`
	Rate       int     `csv:"rate"`
	Flag       string  `csv:"flag"`
	From       int     `csv:"from"`
	To         int     `csv:"to"`
	Payment    int     `csv:"payment"`
	Fare       float64 `csv:"fare"`
	Extra      float64 `csv:"extra"`
	Tax        float64 `csv:"tax"`
	Tip        float64 `csv:"tip"`
	Tolls      float64 `csv:"tolls"`
	Surcharge  float64 `csv:"surcharge"`
	Total      float64 `csv:"total"`
	Congestion float64 `csv:"congestion"`
	Airport    float64 `csv:"airport"`
}

// taxiRowByHand decodes a row as a program without a library does.
func taxiRowByHand(row []string) (t taxiRow, err error) {
	t.Pickup, t.Dropoff, t.Flag = row[1], row[2], row[6]
	ints := [...]*int{&t.VendorID, &t.Passengers, &t.Rate, &t.From, &t.To, &t.Payment}
	for i, at := range [...]int{0, 3, 5, 7, 8, 9} {
		if *ints[i], err = strconv.Atoi(row[at]); err != nil {
			return t, err
		}
	}
	floats := [...]*float64{&t.Distance, &t.Fare, &t.Extra, &t.Tax, &t.Tip, &t.Tolls, &t.Surcharge, &t.Total, &t.Congestion, &t.Airport}
	for i, at := range [...]int{4, 10, 11, 12, 13, 14, 15, 16, 17, 18} {
		if *floats[i], err = strconv.ParseFloat(row[at], 64); err != nil {
			return t, err
		}
	}
	return t, nil
}

var typedTaxi = table{
	name: "readers/csv/typed", what: "rows of one CSV object in memory, decoded into a struct of 19 fields", unit: "row", n: 400_000,
	figures: readerFigures,
	cases: []benchCase{
		reading("encoding/csv, strconv", taxiRows, func(_ context.Context, data []byte) (n int64, err error) {
			r := csv.NewReader(bytes.NewReader(data))
			r.ReuseRecord = true
			if _, err := r.Read(); err != nil {
				return 0, err
			}
			for ; ; n++ {
				row, err := r.Read()
				if err == io.EOF {
					return n, nil
				}
				if err == nil {
					_, err = taxiRowByHand(row)
				}
				if err != nil {
					return n, err
				}
			}
		}),
		bySource("dmap, source.Into", "k.csv", taxiRows, func(o source.Object) dmap.Source[taxiRow] { return source.CSVOf(o, source.Into[taxiRow]) }),
	},
	targets: []target{
		{of: "dmap, source.Into", figure: perCPUSecond, against: "encoding/csv, strconv", least: 1.6},
		{of: "dmap, source.Into", figure: allocs, most: 1.01, note: "one allocation per row for its strings"},
	},
}

// event is a decoded record of eventLines.
type event struct {
	ID      string                     `json:"id"`
	Type    string                     `json:"type"`
	At      time.Time                  `json:"at"`
	User    int64                      `json:"user"`
	OK      bool                       `json:"ok"`
	Amount  float64                    `json:"amount"`
	Tags    []string                   `json:"tags"`
	Geo     struct{ Lat, Lon float64 } `json:"geo"`
	Items   []position                 `json:"items"`
	Headers map[string]string          `json:"headers"`
}

type position struct {
	SKU   string  `json:"sku"`
	Count int     `json:"count"`
	Price float64 `json:"price"`
}

func eventLines(n int64) []byte { return events(n, "", "\n", "\n") }

func eventArray(n int64) []byte { return events(n, "[", ",\n", "]\n") }

func events(n int64, begin, between, end string) []byte {
	b := bytes.NewBufferString(begin)
	for i := range n {
		if i > 0 {
			b.WriteString(between)
		}
		id := uint64(i) * 0x9e3779b97f4a7c15 // as random as real identifiers, so that the compression ratio is realistic
		fmt.Fprintf(b, `{"id":"evt_%016x","type":"order.paid","at":"2026-11-%02dT08:%02d:00Z","user":%d,"ok":%t,"amount":%.2f,"tags":["eu","mobile","a \"b\""],`+
			`"geo":{"lat":%.5f,"lon":-%.5f},"items":[{"sku":"SKU-%d","count":%d,"price":12.5},{"sku":"SKU-22","count":2,"price":0.99}],`+
			`"headers":{"agent":"Mozilla/5.0 (X11; Linux x86_64)","lang":"de-DE"}}`,
			id, i%30+1, i%60, id>>40, i%2 == 0, float64(id>>44)/7, float64(i%9000)/101, float64(i%18000)/103, i%500, i%9)
	}
	b.WriteString(end)
	return b.Bytes()
}

// decodedByHand splits data into lines of any length, and decodes each.
func decodedByHand(unmarshal func([]byte, any) error) func(context.Context, []byte) (int64, error) {
	return func(_ context.Context, data []byte) (n int64, err error) {
		for line := range bytes.Lines(data) {
			var e event
			if err := unmarshal(line, &e); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
}

func eventsBySource(unmarshal func([]byte, any) error) func(o source.Object) dmap.Source[event] {
	var options source.JSONLinesOptions[event]
	if unmarshal != nil {
		options.Decode = func(line []byte) (e event, err error) { return e, unmarshal(line, &e) }
	}
	return func(o source.Object) dmap.Source[event] { return source.JSONLinesOf(o, options) }
}

func v2(data []byte, v any) error { return jsonv2.Unmarshal(data, v) }

var jsonLines = table{
	name: "readers/json/lines", what: "one object of JSON lines in memory, decoded into a struct", unit: "line", n: 150_000,
	figures: readerFigures, base: "encoding/json",
	cases: []benchCase{
		reading("encoding/json", eventLines, decodedByHand(json.Unmarshal)),
		reading("go-json-experiment (v2)", eventLines, decodedByHand(v2)),
		reading("segmentio", eventLines, decodedByHand(segmentio.Unmarshal)),
		reading("sonic", eventLines, decodedByHand(sonic.Unmarshal)),
		reading("goccy", eventLines, decodedByHand(goccy.Unmarshal)),
		bySource("dmap", "k.jsonl", eventLines, eventsBySource(nil)),
		bySource("dmap, encoding/json", "k.jsonl", eventLines, eventsBySource(json.Unmarshal)),
		bySource("dmap, sonic", "k.jsonl", eventLines, eventsBySource(sonic.Unmarshal)),
		bySource("dmap, goccy", "k.jsonl", eventLines, eventsBySource(goccy.Unmarshal)),
	},
	targets: []target{
		{of: "dmap", figure: perCPUSecond, against: "encoding/json", least: 2},
		{of: "dmap, goccy", figure: perCPUSecond, against: "encoding/json", least: 4},
		{of: "dmap, goccy", figure: perCPUSecond, against: "goccy", least: 0.9, note: "the cost of dmap itself"},
		{of: "dmap, encoding/json", figure: perCPUSecond, against: "encoding/json", least: 0.9, note: "the cost of dmap itself"},
	},
}

const arrayOfFile = "dmap, from a file"

var jsonArray = table{
	name: "readers/json/array", what: "one JSON array in memory, its values decoded into a struct", unit: "value", n: 150_000,
	figures: readerFigures,
	cases: []benchCase{
		reading("json.Decoder", eventArray, func(_ context.Context, data []byte) (n int64, err error) {
			d := json.NewDecoder(bytes.NewReader(data))
			if _, err := d.Token(); err != nil {
				return 0, err
			}
			for ; d.More(); n++ {
				var e event
				if err := d.Decode(&e); err != nil {
					return n, err
				}
			}
			return n, nil
		}),
		bySource("dmap", "k.json", eventArray, func(o source.Object) dmap.Source[event] { return source.JSONArrayOf[event](o) }),
		bySource("dmap, goccy", "k.json", eventArray, func(o source.Object) dmap.Source[event] {
			return source.JSONArrayOf(o, source.JSONArrayOptions[event]{Decode: func(value []byte) (e event, err error) { return e, goccy.Unmarshal(value, &e) }})
		}),
		byFile(arrayOfFile, "k.json", eventArray, func(o source.Object) dmap.Source[event] { return source.JSONArrayOf[event](o) }),
		bySource("dmap, split only", "k.json", eventArray, func(o source.Object) dmap.Source[int] {
			return source.JSONArrayOf(o, source.JSONArrayOptions[int]{Decode: func(value []byte) (int, error) { return len(value), nil }})
		}),
	},
	targets: []target{
		{of: "dmap", figure: perCPUSecond, against: "json.Decoder", least: 2},
		{of: "dmap, goccy", figure: perCPUSecond, against: "json.Decoder", least: 2},
		{of: arrayOfFile, figure: addedMiB, most: 40},
	},
}

func gzipOf(n int64) []byte {
	var b bytes.Buffer
	w := kgzip.NewWriter(&b)
	_, _ = w.Write(eventLines(n)) // a bytes.Buffer returns no errors
	_ = w.Close()
	return b.Bytes()
}

func zstdOf(n int64) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer w.Close()
	return w.EncodeAll(eventLines(n), nil)
}

// lengths decodes each line to its length only, because the table measures decompression and
// splitting.
func lengths(o source.Object) dmap.Source[int] {
	return source.JSONLinesOf(o, source.JSONLinesOptions[int]{AnyBytes: true, Decode: func(line []byte) (int, error) { return len(line), nil }})
}

// sized counts the bytes of the lines before compression.
func sized(c benchCase) benchCase {
	run := c.run
	c.run = func(ctx context.Context, work workload) (outcome, error) {
		out, err := run(ctx, work)
		out.Bytes = int64(len(eventLines(work.N)))
		return out, err
	}
	return c
}

var compressed = table{
	name: "readers/gzip", what: "one compressed object of JSON lines in memory, split into lines; MB of uncompressed text", unit: "line", n: 150_000,
	figures: readerFigures, base: "compress/gzip",
	cases: []benchCase{
		sized(reading("compress/gzip", gzipOf, func(_ context.Context, data []byte) (int64, error) {
			in, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				return 0, err
			}
			return countLines(in)
		})),
		sized(bySource("dmap, gzip", "k.jsonl.gz", gzipOf, lengths)),
		sized(bySource("dmap, zstd", "k.jsonl.zst", zstdOf, lengths)),
	},
	targets: []target{{of: "dmap, gzip", figure: perCPUSecond, against: "compress/gzip", least: 1.3}},
}

// countLines counts the lines of in.
func countLines(in io.Reader) (n int64, err error) {
	buf := make([]byte, 256<<10)
	for {
		m, err := in.Read(buf)
		n += int64(bytes.Count(buf[:m], []byte("\n")))
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
