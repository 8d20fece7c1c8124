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
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/bytedance/sonic"
	jsonv2 "github.com/go-json-experiment/json"
	goccy "github.com/goccy/go-json"
	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	segmentio "github.com/segmentio/encoding/json"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/record"
	"github.com/go-dmap/dmap/source"
)

// readers are the tables of what reads one object that is in memory. "dmap" means the source, read whole by one request
// from a bucket in memory, as users get it; "record reader" is what finds the records in it.
func readers() []table {
	return []table{rawRows("csv/taxi", taxiRows), rawRows("csv/inventory", inventoryRows), typedTaxi, jsonLines, jsonArray, compressed}
}

const maxRecord = 1 << 20

// reading is a case that reads data and counts its records; the making of data is not measured.
func reading(name string, make func(n int64) []byte, read func(ctx context.Context, data []byte) (int64, error)) benchCase {
	return benchCase{name: name, run: func(ctx context.Context, work workload) (outcome, error) {
		data := make(work.N)
		work.start()
		n, err := read(ctx, data)
		work.stop()
		return outcome{Succeeded: n, Bytes: int64(len(data))}, err
	}}
}

// bySource is a case of ours: the items of a source of the object called key.
func bySource[T any](name, key string, make func(n int64) []byte, open func(o source.Object) dmap.Splitter[T]) benchCase {
	c := benchCase{name: name, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
		bucket := memblob.OpenBucket(nil)
		defer bucket.Close()
		data := make(work.N)
		if err := bucket.WriteAll(ctx, key, data, nil); err != nil {
			return outcome{}, err
		}
		src := open(source.Object{Key: key, Size: -1}.In(bucket))
		work.start()
		n, err := countItems(src.Read(ctx, dmap.Split{}))
		work.stop()
		return outcome{Succeeded: n, Bytes: int64(len(data))}, err
	}}
	return c
}

// byFile is bySource for an object in a folder. Go's heap grows to twice of what it holds: memory shows only where the
// object itself is not in it.
func byFile[T any](name, key string, make func(n int64) []byte, open func(o source.Object) dmap.Splitter[T]) benchCase {
	return benchCase{name: name, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
		if err := os.WriteFile(filepath.Join(work.Scratch, key), make(work.N), 0o644); err != nil {
			return outcome{}, err
		}
		bucket, err := openFolder(work.Scratch)
		if err != nil {
			return outcome{}, err
		}
		defer bucket.Close()
		object := source.Object{Key: key, Size: -1}.In(bucket)
		attributes, err := bucket.Attributes(ctx, key)
		if err != nil {
			return outcome{}, err
		}
		work.start()
		n, err := countItems(open(object).Read(ctx, dmap.Split{}))
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

// taxiRows are like those of a taxi company: 19 columns, no quotes.
func taxiRows(n int64) []byte {
	b := bytes.NewBufferString(taxiHeader)
	for i := range n {
		fmt.Fprintf(b, "%d,2026-11-%02d 08:%02d:00,2026-11-%02d 08:%02d:41,%d,%.2f,1,N,%d,%d,%d,%.2f,0.5,0.5,%.2f,0,0.3,%.2f,2.5,0\n",
			i%2+1, i%30+1, i%60, i%30+1, i%60, i%5, float64(i%3000)/97, i%265, i*7%265, i%4, float64(i%9000)/97, float64(i%700)/91, float64(i%9999)/79)
	}
	return b.Bytes()
}

// inventoryRows are like those of an inventory of S3 that has all of its fields, which are all quoted.
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

// rawRows splits rows into fields, and nothing else.
func rawRows(name string, make func(n int64) []byte) table {
	return table{
		name: "readers/" + name, what: "rows split into fields, of one CSV object in memory", unit: "row", n: 400_000,
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
			bySource("dmap, source.CSV", "k.csv", make, func(o source.Object) dmap.Splitter[int] { return source.CSVOf(o, lengthOf) }),
		},
		owed: []owed{
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

// lengthOf decodes a row into how many bytes its first field has.
func lengthOf([]string) (func(source.Row) (int, error), error) {
	return func(row source.Row) (int, error) { return len(row.Bytes(0)), nil }, nil
}

// taxiRow is a row of taxiRows.
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

// taxiRowByHand is what one writes without a library.
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
	name: "readers/csv/typed", what: "rows made into a struct of 19 fields, of one CSV object in memory", unit: "row", n: 400_000,
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
		bySource("dmap, source.Into", "k.csv", taxiRows, func(o source.Object) dmap.Splitter[taxiRow] { return source.CSVOf(o, source.Into[taxiRow]) }),
	},
	owed: []owed{
		{of: "dmap, source.Into", figure: perCPUSecond, against: "encoding/csv, strconv", least: 1.6},
		{of: "dmap, source.Into", figure: allocs, most: 1.01, note: "one text a row for its strings"},
	},
}

// event is a record of eventLines.
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
		id := uint64(i) * 0x9e3779b97f4a7c15 // as random as identifiers are: it counts for what compression makes of it
		fmt.Fprintf(b, `{"id":"evt_%016x","type":"order.paid","at":"2026-11-%02dT08:%02d:00Z","user":%d,"ok":%t,"amount":%.2f,"tags":["eu","mobile","a \"b\""],`+
			`"geo":{"lat":%.5f,"lon":-%.5f},"items":[{"sku":"SKU-%d","count":%d,"price":12.5},{"sku":"SKU-22","count":2,"price":0.99}],`+
			`"headers":{"agent":"Mozilla/5.0 (X11; Linux x86_64)","lang":"de-DE"}}`,
			id, i%30+1, i%60, id>>40, i%2 == 0, float64(id>>44)/7, float64(i%9000)/101, float64(i%18000)/103, i%500, i%9)
	}
	b.WriteString(end)
	return b.Bytes()
}

// decodedByHand reads lines from a reader as long as they may be, and decodes each.
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

func eventsBySource(unmarshal func([]byte, any) error) func(o source.Object) dmap.Splitter[event] {
	var options source.JSONLinesOptions[event]
	if unmarshal != nil {
		options.Decode = func(line []byte) (e event, err error) { return e, unmarshal(line, &e) }
	}
	return func(o source.Object) dmap.Splitter[event] { return source.JSONLinesOf(o, options) }
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
	owed: []owed{
		{of: "dmap", figure: perCPUSecond, against: "encoding/json", least: 2},
		{of: "dmap, goccy", figure: perCPUSecond, against: "encoding/json", least: 4},
		{of: "dmap, goccy", figure: perCPUSecond, against: "goccy", least: 0.9, note: "our own share"},
		{of: "dmap, encoding/json", figure: perCPUSecond, against: "encoding/json", least: 0.9, note: "our own share"},
	},
}

const arrayOfFile = "dmap, of a file"

var jsonArray = table{
	name: "readers/json/array", what: "one object in memory that is a JSON array, its values decoded into a struct", unit: "value", n: 150_000,
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
		bySource("dmap", "k.json", eventArray, func(o source.Object) dmap.Splitter[event] { return source.JSONArrayOf[event](o) }),
		bySource("dmap, goccy", "k.json", eventArray, func(o source.Object) dmap.Splitter[event] {
			return source.JSONArrayOf(o, source.JSONArrayOptions[event]{Decode: func(value []byte) (e event, err error) { return e, goccy.Unmarshal(value, &e) }})
		}),
		byFile(arrayOfFile, "k.json", eventArray, func(o source.Object) dmap.Splitter[event] { return source.JSONArrayOf[event](o) }),
		bySource("dmap, split only", "k.json", eventArray, func(o source.Object) dmap.Splitter[int] {
			return source.JSONArrayOf(o, source.JSONArrayOptions[int]{Decode: func(value []byte) (int, error) { return len(value), nil }})
		}),
	},
	owed: []owed{
		{of: "dmap", figure: perCPUSecond, against: "json.Decoder", least: 2},
		{of: "dmap, goccy", figure: perCPUSecond, against: "json.Decoder", least: 2},
		{of: arrayOfFile, figure: addedMiB, most: 40},
	},
}

func gzipOf(n int64) []byte {
	var b bytes.Buffer
	w := kgzip.NewWriter(&b)
	_, _ = w.Write(eventLines(n)) // into memory
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

// lengths makes no value of a line: what is measured is how it comes.
func lengths(o source.Object) dmap.Splitter[int] {
	return source.JSONLinesOf(o, source.JSONLinesOptions[int]{AnyBytes: true, Decode: func(line []byte) (int, error) { return len(line), nil }})
}

// sized counts the bytes of lines as they were before they were compressed.
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
	name: "readers/gzip", what: "one compressed object of JSON lines in memory, split into lines; MB of text", unit: "line", n: 150_000,
	figures: readerFigures, base: "compress/gzip",
	cases: []benchCase{
		sized(reading("compress/gzip", gzipOf, func(_ context.Context, data []byte) (int64, error) {
			in, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				return 0, err
			}
			return feeds(in)
		})),
		sized(bySource("dmap, gzip", "k.jsonl.gz", gzipOf, lengths)),
		sized(bySource("dmap, zstd", "k.jsonl.zst", zstdOf, lengths)),
	},
	owed: []owed{{of: "dmap, gzip", figure: perCPUSecond, against: "compress/gzip", least: 1.3}},
}

// feeds counts the lines of in.
func feeds(in io.Reader) (n int64, err error) {
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
