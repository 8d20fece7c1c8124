package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// connection is the bandwidth of one connection to the store, in bytes per second.
const connection = 80_000_000

// latency is the time that the store takes to answer a request.
const latency = 0 * time.Millisecond

// large returns the tables for one large object: the speed of reading it over several connections,
// and of parsing it on two cores.
func large() []table {
	return []table{
		overConnections("large/rows", "one CSV object", rowsOf, plainRows),
		overConnections("large/quoted", "one CSV object, all fields quoted", rowsOf, quotedRows),
		overConnections("large/lines", "one object of JSON lines", linesOf, jsonRows),
		onCores("cores/rows", "one CSV object in a folder, into structs", plainRows, typedRows),
		onCores("cores/lines", "one object of JSON lines in a folder, by encoding/json", jsonRows, typedLines),
	}
}

// largeSource opens the object with key slowKey as a source of the lengths of its records.
type largeSource func(in *blob.Bucket) dmap.Source[int]

// dataset is the input of a table.
type dataset struct {
	object  repeated
	records int64
}

const rowHeader = "id,vendor,pickup,dropoff,passengers,distance,rate,flag,from,to,payment,fare,extra,tax,tip,tolls,surcharge,total,note\n"

func plainRows(mib int64) dataset {
	body, rows := block(func(b *bytes.Buffer, i int) {
		fmt.Fprintf(b, "%d,2,2026-01-01 00:46:40,2026-01-01 00:53:20,%d,%d.50,1,N,151,239,1,7.00,0.50,0.50,1.65,0.00,0.30,%d.95,%s\n",
			i, i%5, i%31, i%97, strings.Repeat("text ", 20+i%10))
	})
	return dataset{repeated{[]byte(rowHeader), body, mib}, rows * mib}
}

func quotedRows(mib int64) dataset {
	body, rows := block(func(b *bytes.Buffer, i int) {
		fmt.Fprintf(b, "\"bucket\",\"data/2026/11/24/part-%05d.json\",\"%d\",\"2026-11-24T10:00:00.000Z\",", i, i*37)
		b.WriteString("\"\",\"a \"\"quoted\"\" word,\nand a line\",\"STANDARD\"\n")
	})
	return dataset{repeated{[]byte("bucket,key,size,modified,etag,note,class\n"), body, mib}, rows * mib}
}

func jsonRows(mib int64) dataset {
	body, rows := block(func(b *bytes.Buffer, i int) {
		fmt.Fprintf(b, `{"id":%d,"pickup":"2026-01-01T00:46:40Z","passengers":%d,"distance":%d.5,"fare":%d.95,"note":%q}`+"\n",
			i, i%5, i%31, i%97, strings.Repeat("text ", 20+i%10))
	})
	return dataset{repeated{nil, body, mib}, rows * mib}
}

// overConnections compares one request for the whole object with eight concurrent requests for its
// parts. The function does nothing.
func overConnections(name, what string, open func(source.StoreFeatures) largeSource, make func(mib int64) dataset) table {
	run := func(read func(context.Context, dmap.Source[int]) (int64, error)) func(context.Context, workload) (outcome, error) {
		return func(ctx context.Context, work workload) (outcome, error) {
			data := make(work.N)
			store, bucket, err := openSlowStore(ctx, data.object, connection, latency)
			if err != nil {
				return outcome{}, err
			}
			defer store.server.Close()
			defer bucket.Close()
			work.start()
			n, err := read(ctx, open(ifMatch)(bucket))
			work.stop()
			if err == nil && n != data.records {
				err = fmt.Errorf("%d records, want %d", n, data.records)
			}
			return outcome{
				Succeeded: n, Units: work.N, Bytes: data.object.size(),
				Counts: map[string]float64{"requests": float64(store.requests.Load())},
			}, err
		}
	}
	return table{
		name: name, unit: "MiB", n: 512, rounds: 5, concurrency: 8,
		what:    fmt.Sprintf("%s from a store with %d MB/s for each connection; the function does nothing", what, connection/1_000_000),
		figures: []figure{perSecond, wallSeconds, cpuTotal, countOf("requests"), addedMiB},
		cases: []benchCase{
			{name: "one connection", run: run(readWithOneRequest)},
			{name: "dmap.Map", run: run(readWithMap), ours: true},
		},
		targets: []target{{of: "dmap.Map", figure: perSecond, against: "one connection", least: 7}},
	}
}

// readWithOneRequest reads the whole object with one request.
func readWithOneRequest(ctx context.Context, src dmap.Source[int]) (n int64, err error) {
	for item, err := range dmap.PlanOf(src).Read(ctx, dmap.Split{}) {
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

func readWithMap(ctx context.Context, src dmap.Source[int]) (int64, error) {
	stats, err := dmap.Map(ctx, src, func(context.Context, int) (struct{}, error) { return struct{}{}, nil }, dmap.Options{MaxConcurrency: 8})
	return stats.Succeeded, err
}

func rowsOf(store source.StoreFeatures) largeSource {
	return func(in *blob.Bucket) dmap.Source[int] {
		return source.CSV(in, slowKey, func([]string) (func(source.Row) (int, error), error) {
			return func(r source.Row) (int, error) { return r.Len(), nil }, nil
		}, source.CSVOptions{Store: store})
	}
}

func linesOf(store source.StoreFeatures) largeSource {
	return func(in *blob.Bucket) dmap.Source[int] {
		return source.JSONLines(in, slowKey, source.JSONLinesOptions[int]{
			Store: store, Decode: func(line []byte) (int, error) { return len(line), nil },
		})
	}
}

// trip is the decoded form of a record.
type trip struct {
	ID         int64   `csv:"id" json:"id"`
	Pickup     string  `csv:"pickup" json:"pickup"`
	Passengers int     `csv:"passengers" json:"passengers"`
	Distance   float64 `csv:"distance" json:"distance"`
	Fare       float64 `csv:"fare" json:"fare"`
	Note       string  `csv:"note" json:"note"`
}

func typedRows(in *blob.Bucket) dmap.Source[trip] {
	return source.CSV(in, slowKey, source.Into[trip])
}

func typedLines(in *blob.Bucket) dmap.Source[trip] { return source.JSONLines[trip](in, slowKey) }

// onCores compares one core with two.
func onCores(name, what string, make func(mib int64) dataset, open func(*blob.Bucket) dmap.Source[trip]) table {
	run := func(cores int) func(context.Context, workload) (outcome, error) {
		return func(ctx context.Context, work workload) (outcome, error) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			in, err := openFolder(work.Dir)
			if err != nil {
				return outcome{}, err
			}
			defer in.Close()
			data := make(work.N)
			work.start()
			stats, err := dmap.Map(ctx, open(in), func(_ context.Context, t trip) (struct{}, error) {
				if t.Note == "" {
					return struct{}{}, fmt.Errorf("trip %d has no note", t.ID)
				}
				return struct{}{}, nil
			}, dmap.Options{MaxConcurrency: 8})
			work.stop()
			if err == nil && stats.Succeeded != data.records {
				err = fmt.Errorf("%d records, want %d", stats.Succeeded, data.records)
			}
			return outcome{Succeeded: stats.Succeeded, Units: work.N, Bytes: data.object.size()}, err
		}
	}
	return table{
		name: name, what: what + "; the function only checks one field", unit: "MiB", n: 256, rounds: 5, concurrency: 8,
		prepare: func(_ context.Context, dir string, mib int64) error { return writeLarge(dir, make(mib).object) },
		figures: []figure{perSecond, wallSeconds, cpuTotal, perCPUSecond, addedMiB},
		cases: []benchCase{
			{name: "one core", run: run(1), ours: true},
			{name: "two cores", run: run(2), ours: true},
		},
		targets: []target{{of: "two cores", figure: perSecond, against: "one core", least: 1.7}},
	}
}

func writeLarge(dir string, object repeated) error {
	f, err := os.Create(filepath.Join(dir, slowKey))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(object, 0, object.size()))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
