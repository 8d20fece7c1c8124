package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

const (
	largeCSV      = "taxi.csv"
	csvByHandName = "by hand, encoding/csv"
	csvFastName   = "dmap.Map"
	csvSmallName  = "dmap.Map, Memory 64 MiB"
)

// csvMemory is the table of the memory that a large CSV object takes, in a process of its own. Its
// file has about 200 MB.
func csvMemory() table {
	return table{
		name: "readers/csv-memory", what: "rows of one CSV file of 100 bytes a row, mapped", unit: "row", n: 2_000_000, rounds: 5,
		concurrency: 8, figures: []figure{perCPUSecond, cpuTotal, peakMiB, addedMiB, wallSeconds}, base: csvFastName,
		prepare: func(_ context.Context, dir string, n int64) error { return writeTaxi(filepath.Join(dir, largeCSV), n) },
		cases: []benchCase{
			{name: csvFastName, run: mapCSV(source.CSVOptions{}), ours: true},
			{name: csvSmallName, run: mapCSV(source.CSVOptions{Memory: 64 << 20}), ours: true},
			{name: csvByHandName, run: csvByHand},
		},
		targets: []target{
			{of: csvSmallName, figure: peakMiB, most: 64},
			{of: csvSmallName, figure: cpuTotal, against: csvFastName, most: 1.2},
		},
	}
}

// writeTaxi writes n rows of taxiRows, in pieces.
func writeTaxi(path string, n int64) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	const piece = 10_000
	for from := int64(0); from < n; from += piece {
		rows := taxiRows(min(piece, n-from))
		if from > 0 {
			rows = rows[len(taxiHeader):]
		}
		if _, err := file.Write(rows); err != nil {
			return err
		}
	}
	return nil
}

func mapCSV(options source.CSVOptions) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		bucket, err := openFolder(work.Dir)
		if err != nil {
			return outcome{}, err
		}
		defer bucket.Close()
		attributes, err := bucket.Attributes(ctx, largeCSV)
		if err != nil {
			return outcome{}, err
		}
		work.start()
		stats, err := dmap.Map(ctx, source.CSV(bucket, largeCSV, source.Strings, options), func(_ context.Context, row []string) (int, error) {
			return len(row), nil
		}, dmap.Options{MaxConcurrency: work.Concurrency})
		work.stop()
		return outcome{Succeeded: stats.Succeeded, Failed: stats.Failed, Bytes: attributes.Size}, err
	}
}

func csvByHand(_ context.Context, work workload) (outcome, error) {
	file, err := os.Open(filepath.Join(work.Dir, largeCSV))
	if err != nil {
		return outcome{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return outcome{}, err
	}
	work.start()
	rows := csv.NewReader(bufio.NewReaderSize(file, 1<<20))
	rows.ReuseRecord = true
	for n := int64(-1); ; n++ {
		if _, err := rows.Read(); err == io.EOF {
			work.stop()
			return outcome{Succeeded: n, Bytes: info.Size()}, nil
		} else if err != nil {
			return outcome{}, err
		}
	}
}
