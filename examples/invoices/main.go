// Command invoices writes the objects of a bucket to a table of a SQL database, each exactly once.
// The function may be called more than once for an object: after a lost answer it is retried, and
// after a crash the whole run may be repeated.
//
// The key to this is one line: the idempotency key of the item is the primary key of its row. It
// is the same for every attempt of the item, and for every repetition of the run with the same run
// ID.
//
//	go run ./examples/invoices
//	go run ./examples/invoices -http localhost:8080   # a page of the run
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	_ "modernc.org/sqlite"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/display"
	"github.com/go-dmap/dmap/source"
)

const (
	runID    = "invoices-2026-11"
	invoices = 300
)

// Invoice is the content of an object.
type Invoice struct {
	Number   string `json:"number"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

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

func run(ctx context.Context, w io.Writer, observer *dmap.Observer) error {
	dir, err := os.MkdirTemp("", "invoices-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := open(ctx, filepath.Join(dir, "invoices.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://...")
	defer bucket.Close()
	if err := writeInvoices(ctx, bucket); err != nil {
		return err
	}

	table := &table{db: db}
	for range 2 { // the second time is the repetition after a crash
		stats, err := dmap.Map(ctx, source.Objects(bucket, "invoices/"), table.put, dmap.Options{
			RunID: runID, MaxConcurrency: 8, Retry: dmap.Retry{MaxAttempts: 3, Initial: time.Millisecond}, Observer: observer,
		})
		if err != nil {
			return err
		}
		rows, cents, err := table.sum(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d invoices, %d calls including %d retries: %d rows, %d.%02d in total\n",
			stats.Succeeded, stats.Calls, stats.Retries, rows, cents/100, cents%100)
	}
	return nil
}

// table is the target of the invoices.
type table struct{ db *sql.DB }

// errLost simulates a lost answer: some invoices get it on their first attempt.
var errLost = errors.New("the connection was lost after the commit")

// put writes one invoice. It is called concurrently, and more than once for some invoices.
func (t *table) put(ctx context.Context, o source.Object) (struct{}, error) {
	var inv Invoice
	if err := o.DecodeJSON(ctx, &inv); err != nil {
		return struct{}{}, dmap.Permanent(err)
	}
	info, _ := dmap.InfoFrom(ctx)
	_, err := t.db.ExecContext(ctx, `
		INSERT INTO invoices (id, number, customer, cents) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET number = excluded.number, customer = excluded.customer, cents = excluded.cents`,
		info.IdempotencyKey(), inv.Number, inv.Customer, inv.Cents)
	if err == nil && inv.Cents%10 == 0 && info.Attempt == 1 {
		err = errLost
	}
	return struct{}{}, err
}

func (t *table) sum(ctx context.Context) (rows, cents int64, err error) {
	err = t.db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(cents), 0) FROM invoices`).Scan(&rows, &cents)
	return rows, cents, err
}

func open(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has a single writer; other calls wait in the pool
	_, err = db.ExecContext(ctx, `
		PRAGMA journal_mode = WAL;
		PRAGMA synchronous = NORMAL;
		CREATE TABLE invoices (id TEXT PRIMARY KEY, number TEXT NOT NULL, customer TEXT NOT NULL, cents INTEGER NOT NULL)`)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func writeInvoices(ctx context.Context, bucket *blob.Bucket) error {
	for i := range invoices {
		content := fmt.Sprintf(`{"number": "R-%04d", "customer": "C%02d", "cents": %d}`, i, i%37, 1000+i*7)
		if err := bucket.WriteAll(ctx, fmt.Sprintf("invoices/%04d.json", i), []byte(content), nil); err != nil {
			return err
		}
	}
	return nil
}
