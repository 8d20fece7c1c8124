// Command decoder reads rows and lines into types of its own: a field type with its own text form,
// a row decoder without reflection, and lines that are not JSON.
//
//	go run ./examples/howto/decoder
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strconv"

	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// Cents is an amount of money. A CSV field of any type that is an encoding.TextUnmarshaler decodes
// itself.
type Cents int64

// UnmarshalText takes "12.50".
func (c *Cents) UnmarshalText(text []byte) error {
	units, rest, ok := bytes.Cut(text, []byte("."))
	if !ok || len(rest) != 2 {
		return fmt.Errorf("%q: want an amount such as 12.50", text)
	}
	n, err := strconv.ParseInt(string(units)+string(rest), 10, 64)
	*c = Cents(n)
	return err
}

// Order is decoded by source.Into, which fills fields by their column.
type Order struct {
	ID    string `csv:"id"`
	Price Cents  `csv:"price"`
}

// prices is a row decoder: it gets the header once and returns the function that decodes a row. It
// uses no reflection and allocates nothing per row.
func prices(header []string) (func(source.Row) (Cents, error), error) {
	column := slices.Index(header, "price")
	if column < 0 {
		return nil, fmt.Errorf("no column price in the header %q", header)
	}
	return func(row source.Row) (Cents, error) {
		var price Cents
		err := price.UnmarshalText(row.Bytes(column)) // valid only until the decoder returns
		return price, err
	}, nil
}

// Request is a line of an access log.
type Request struct {
	Path   string
	Status int
}

// parseRequest is a line decoder. It must not keep the line.
func parseRequest(line []byte) (Request, error) {
	fields := bytes.Fields(line)
	if len(fields) != 3 {
		return Request{}, fmt.Errorf("%d fields, want method, path and status", len(fields))
	}
	status, err := strconv.Atoi(string(fields[2]))
	return Request{Path: string(fields[1]), Status: status}, err
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer) error {
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://...")
	defer bucket.Close()
	for key, content := range map[string]string{
		"orders.csv": "id,price\nA1,12.50\nA2,free\nA3,0.99\n",
		"access.log": "GET /index.html 200\nGET /missing 404\nGET\n",
	} {
		if err := bucket.WriteAll(ctx, key, []byte(content), nil); err != nil {
			return err
		}
	}
	if err := show(ctx, w, source.CSV(bucket, "orders.csv", source.Into[Order])); err != nil {
		return err
	}
	if err := show(ctx, w, source.CSV(bucket, "orders.csv", prices)); err != nil {
		return err
	}
	return show(ctx, w, source.JSONLines(bucket, "access.log", source.JSONLinesOptions[Request]{Decode: parseRequest}))
}

// show prints every value, or why it could not be decoded.
func show[T any](ctx context.Context, w io.Writer, src dmap.Source[T]) error {
	fmt.Fprintln(w, src)
	opts := dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Percentage: 100}}
	for r, err := range dmap.Results(ctx, src, func(_ context.Context, v T) (T, error) { return v, nil }, opts) {
		switch {
		case err != nil:
			return err
		case r.Err != nil:
			fmt.Fprintf(w, "  %v\n", r.Err)
		default:
			fmt.Fprintf(w, "  %+v\n", r.Value)
		}
	}
	return nil
}
