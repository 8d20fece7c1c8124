// Command invoices writes the objects of a bucket into a table of a SQL database, each exactly once, although its function
// may run more than once: a lost answer is tried again, and the whole run is repeated after a crash.
//
// What makes it so is one line: the idempotency key of the item is the primary key of its row. It is the same for every
// attempt at the item and for every repetition of the run under the same run ID.
//
//	go run ./examples/invoices
package main

import (
	"context"
	"database/sql"
	"errors"
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
	"github.com/go-dmap/dmap/source"
)

const (
	runID    = "invoices-2026-11"
	invoices = 300
)

// Invoice is an object of the bucket.
type Invoice struct {
	Number   string `json:"number"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
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
	for range 2 { // the second time as after a crash whose extent nobody knows
		stats, err := dmap.Map(ctx, source.Objects(bucket, "invoices/"), table.put, dmap.Options{
			RunID: runID, MaxConcurrency: 8, Retry: dmap.Retry{MaxAttempts: 3, Initial: time.Millisecond},
		})
		if err != nil {
			return err
		}
		rows, cents, err := table.sum(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d invoices, %d calls, of them %d retries: %d rows, %d.%02d in all\n",
			stats.Succeeded, stats.Calls, stats.Retries, rows, cents/100, cents%100)
	}
	return nil
}

// table is where the invoices go.
type table struct{ db *sql.DB }

// errLost is what we pretend to see for some invoices on their first attempt.
var errLost = errors.New("the connection was lost after the commit")

// put writes one invoice. Calls run at the same time, and more than once for some invoices.
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
	db.SetMaxOpenConns(1) // SQLite has one writer; the pool is where the others wait
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
