// Command redrive prices orders with a function that has a bug, fixes the bug, and processes only
// the failed orders again, in the same run. Its results then have each order once, with its last
// outcome. All data is in a bucket in memory.
//
//	go run ./examples/redrive
//	go run ./examples/redrive -http localhost:8080   # a page of the run
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/display"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

type order struct {
	ID    string `json:"id"`
	Cents int    `json:"cents"`
	Parts int    `json:"parts"`
}

const orders = `{"id":"a","cents":900,"parts":3}
{"id":"b","cents":500,"parts":0}
{"id":"c","cents":800,"parts":2}
{"id":"d","cents":0,"parts":0}
{"id":"e","cents":-100,"parts":1}
`

func main() {
	address := flag.String("http", "", display.Usage)
	flag.Parse()
	show, err := display.Open(os.Stderr, *address, 0)
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), os.Stdout, show.Observer)
	if err := errors.Join(err, show.Close()); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

// price returns the price of one part. The bug: an order may have no parts.
func price(_ context.Context, o order) (int, error) {
	if o.Cents < 0 {
		return 0, errors.New("negative amount")
	}
	return o.Cents / o.Parts, nil // a panic fails only this item
}

// fixedPrice handles orders without parts.
func fixedPrice(ctx context.Context, o order) (int, error) {
	if o.Parts == 0 {
		return o.Cents, nil
	}
	return price(ctx, o)
}

func run(ctx context.Context, out io.Writer, observer *dmap.Observer) error {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	if err := bucket.WriteAll(ctx, "orders.jsonl", []byte(orders), nil); err != nil {
		return err
	}
	orders := source.JSONLines[order](bucket, "orders.jsonl")
	folder := sink.Bucket[int](bucket, "runs/")
	opts := dmap.Options{RunID: "monday", Tolerance: dmap.Tolerance{Percentage: 80}, Observer: observer}
	first, err := dmap.Map(ctx, orders, price, opts, folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "first: %d succeeded, %d failed\n", first.Succeeded, first.Failed)

	// Only the panics: the negative amount would fail again.
	panics := dmap.Redrive{Max: 3, Tolerated: true, Classes: []string{"panic"}}
	opts.Redrive = panics
	second, err := dmap.Map(ctx, orders, fixedPrice, opts, folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "redriven: %d succeeded, %d failed\n", second.Succeeded, second.Failed)

	manifest, err := results.Load(ctx, bucket, "runs/", opts.RunID)
	if err != nil {
		return err
	}
	for failure, err := range results.Failures(ctx, bucket, manifest) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "still failed: %s: %s\n", failure.ID, failure.Error)
	}
	return tryGroup(ctx, out, bucket, opts.RunID)
}

// tryGroup says what a trial of the largest group would process. The redrive itself is the same
// call as before, with this Options.Redrive.
func tryGroup(ctx context.Context, out io.Writer, bucket *blob.Bucket, runID string) error {
	manifest, err := results.Load(ctx, bucket, "runs/", runID)
	if err != nil {
		return err
	}
	groups, err := results.Groups(ctx, bucket, manifest)
	if err != nil {
		return err
	}
	trial := dmap.Redrive{Limit: 10, Tolerated: true, Groups: []string{groups[0].ID}}
	preview, err := results.PreviewRedrive(ctx, bucket, manifest, trial)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "a trial of %q would take %d items\n", groups[0].Message, preview.Failed)
	return nil
}
