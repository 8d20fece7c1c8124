// Command csvorders maps the rows of a CSV file. Some rows are malformed: each of them fails
// alone, and its error names its line. The run continues while no more rows fail than the
// tolerance allows.
//
//	go run ./examples/csvorders
//	go run ./examples/csvorders -tolerance 2
//	go run ./examples/csvorders -http localhost:8080   # a page of the run
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/display"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// Order is a row. The tags name the columns.
type Order struct {
	ID     string  `csv:"id"`
	Amount float64 `csv:"amount"`
	Rate   float64 `csv:"rate"` // value added tax, in percent
}

// Receipt is the result for one order.
type Receipt struct {
	ID    string  `json:"id"`
	Total float64 `json:"total"`
}

// errNegative is an error of the mapped function, as opposed to one of the source.
var errNegative = errors.New("negative amount")

func charge(_ context.Context, o Order) (Receipt, error) {
	if o.Amount < 0 {
		return Receipt{}, fmt.Errorf("order %s: %w", o.ID, errNegative)
	}
	return Receipt{ID: o.ID, Total: o.Amount * (1 + o.Rate/100)}, nil
}

func main() {
	tolerance := flag.Int64("tolerance", 5, "maximum number of `rows` that may fail")
	address := flag.String("http", "", display.Usage)
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unknown argument %q", flag.Arg(0))
	}
	show, err := display.Open(os.Stderr, *address, 0)
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), os.Stdout, *tolerance, show.Observer)
	if err := errors.Join(err, show.Close()); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, tolerance int64, observer *dmap.Observer) error {
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://...")
	defer bucket.Close()
	if err := writeOrders(ctx, bucket); err != nil {
		return err
	}
	var receipts sink.Memory[Receipt] // or sink.Bucket[Receipt](bucket, "runs/")
	stats, err := dmap.Map(ctx, source.CSV(bucket, "orders.csv", source.Into[Order]), charge,
		dmap.Options{Tolerance: dmap.Tolerance{Count: tolerance}, Observer: observer}, &receipts)

	for _, failure := range receipts.Failed() {
		fmt.Fprintf(w, "%s: %v\n", failure.ID(), failure.Err)
	}
	var total float64
	for _, receipt := range receipts.Values() {
		total += receipt.Total
	}
	fmt.Fprintf(w, "%d rows read: %d charged, %d failed, %d pending; total %.2f\n",
		stats.Read, stats.Succeeded, stats.Failed, stats.Pending, total)
	return err
}

// writeOrders writes the file: a thousand rows, of which three are malformed and one has a
// negative amount.
func writeOrders(ctx context.Context, bucket *blob.Bucket) error {
	var rows strings.Builder
	rows.WriteString("id,amount,rate\n")
	for i := range 1000 {
		switch i {
		case 100:
			rows.WriteString("A100,twelve,19\n")
		case 200:
			rows.WriteString("A200,7.00\n")
		case 300:
			rows.WriteString("A300,-1.00,19\n")
		case 400:
			rows.WriteString("A400,7.00,19,gift\n")
		default:
			fmt.Fprintf(&rows, "A%d,%d.50,%d\n", i, i%90, 7+i%2*12)
		}
	}
	return bucket.WriteAll(ctx, "orders.csv", []byte(rows.String()), nil)
}
