// Command approval pays a list of payments and holds the large ones until a person has decided: it
// lists them, approves some by a call and one by an object in the bucket, rejects one, and
// continues the run. All data is in a bucket in memory.
//
//	go run ./examples/approval
//	go run ./examples/approval -http localhost:8080   # a page of the run
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

type payment struct {
	To    string `json:"to"`
	Cents int    `json:"cents"`
}

const payments = `{"to":"Ada","cents":1200}
{"to":"Bob","cents":990000}
{"to":"Cleo","cents":4500}
{"to":"Dan","cents":250000}
{"to":"Eve","cents":7000000}
{"to":"Fay","cents":300}
{"to":"Gus","cents":120000}
`

const (
	prefix = "runs/"
	runID  = "payments-2026-11"
)

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

// pay pays small amounts at once, and large ones once a person has approved them.
func pay(ctx context.Context, p payment) (string, error) {
	info, _ := dmap.InfoFrom(ctx)
	if p.Cents >= 100_000 && info.Decision == nil {
		return "", dmap.Hold(fmt.Sprintf("%d cents to %s", p.Cents, p.To))
	}
	if d := info.Decision; d != nil {
		return fmt.Sprintf("paid %s, approved by %s", p.To, d.By), nil
	}
	return "paid " + p.To, nil
}

// payAll runs the payments, or continues with them. A payment that a person rejects has failed.
func payAll(ctx context.Context, bucket *blob.Bucket, observer *dmap.Observer) (dmap.Stats, error) {
	payments := source.JSONLines[payment](bucket, "payments.jsonl")
	opts := dmap.Options{RunID: runID, Tolerance: dmap.Tolerance{Percentage: 50}, MaxConcurrency: 1, Observer: observer} // 1: in order
	stats, err := dmap.Map(ctx, payments, pay, opts, sink.Bucket[string](bucket, prefix))
	if errors.Is(err, dmap.ErrHeld) {
		return stats, nil // everything else is done; a call after the decisions continues
	}
	return stats, err
}

// list returns the IDs of the held payments.
func list(ctx context.Context, bucket *blob.Bucket, out io.Writer) (held []results.HeldItem, err error) {
	run, err := results.Load(ctx, bucket, prefix, runID)
	if err != nil {
		return nil, err
	}
	for item, err := range results.Held(ctx, bucket, run) {
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "held: %s: %s, input %s\n", item.ID, item.Reason, item.Input)
		held = append(held, item)
	}
	return held, nil
}

// decide approves the first held payment by a call and the second by an object, rejects the third,
// and leaves the others.
func decide(ctx context.Context, bucket *blob.Bucket, held []results.HeldItem) error {
	alice := results.Verdict{By: "alice", Note: "the invoice is right"}
	if err := results.Approve(ctx, bucket, prefix, runID, alice, held[0].ID); err != nil {
		return err
	}
	bob := results.Verdict{By: "bob", Note: "no invoice"}
	if err := results.Reject(ctx, bucket, prefix, runID, bob, held[2].ID); err != nil {
		return err
	}
	// Any other program may write the decision, once.
	decision := fmt.Sprintf(`{"id": %q, "decision": "approve", "by": "carol"}`, held[1].ID)
	return bucket.WriteAll(ctx, prefix+runID+"/"+held[1].DecisionKey, []byte(decision), &blob.WriterOptions{IfNotExist: true})
}

func run(ctx context.Context, out io.Writer, observer *dmap.Observer) error {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	if err := bucket.WriteAll(ctx, "payments.jsonl", []byte(payments), nil); err != nil {
		return err
	}
	stats, err := payAll(ctx, bucket, observer)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d paid, %d held, the run is %s\n", stats.Succeeded, stats.Held, stats.State)
	held, err := list(ctx, bucket, out)
	if err != nil {
		return err
	}
	if err := decide(ctx, bucket, held); err != nil {
		return err
	}
	if stats, err = payAll(ctx, bucket, observer); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d paid, %d failed, %d held, the run is %s\n", stats.Succeeded, stats.Failed, stats.Held, stats.State)
	if held, err = list(ctx, bucket, out); err != nil {
		return err
	}
	if err := results.Approve(ctx, bucket, prefix, runID, results.Verdict{By: "alice"}, held[0].ID); err != nil {
		return err
	}
	if stats, err = payAll(ctx, bucket, observer); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d paid, %d failed, %d held, the run is %s\n", stats.Succeeded, stats.Failed, stats.Held, stats.State)
	return report(ctx, bucket, out)
}

// report prints the outcomes of the payments that a person has decided about.
func report(ctx context.Context, bucket *blob.Bucket, out io.Writer) error {
	run, err := results.Load(ctx, bucket, prefix, runID)
	if err != nil {
		return err
	}
	for s, err := range results.Successes[string](ctx, bucket, run) {
		if err != nil {
			return err
		}
		if s.Decision != nil {
			fmt.Fprintln(out, s.Output)
		}
	}
	for f, err := range results.Failures(ctx, bucket, run) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s: %s\n", f.Class, f.ID, f.Error)
	}
	return nil
}
