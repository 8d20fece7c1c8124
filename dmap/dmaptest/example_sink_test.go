package dmaptest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
)

// database stands for a store with transactions: rows of a transaction appear all at once.
type database struct {
	mu     sync.Mutex // guards the fields below
	rows   map[rowID]row
	broken error
}

type rowID struct {
	key    string
	offset int64
}

type row struct{ value, failure string }

// insert writes rows in one transaction. A row that exists is replaced: an item that a resumed run
// calls again does not appear twice.
func (db *database) insert(ctx context.Context, rows map[rowID]row) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if db.broken != nil {
		return db.broken
	}
	if db.rows == nil {
		db.rows = map[rowID]row{}
	}
	for id, r := range rows {
		db.rows[id] = r
	}
	return nil
}

// table is a sink of your own. Each Write is a transaction, so Flush has nothing to do. It keeps
// neither the slice of results nor their Inputs (BorrowsResults), and several Writes may run at
// once (ConcurrentWrites).
type table struct{ db *database }

func (t table) ConcurrentWrites() {}

func (t table) BorrowsResults() {}

// Validate returns what is wrong with the arguments. Map calls it before any I/O.
func (t table) Validate() error {
	if t.db == nil {
		return errors.New("table: the database is nil")
	}
	return nil
}

func (t table) Write(ctx context.Context, results []dmap.Result[string]) error {
	rows := make(map[rowID]row, len(results))
	for _, r := range results {
		out := row{value: r.Value}
		if r.Err != nil {
			out.failure = r.Err.Error()
		}
		rows[rowID{r.Key, r.Offset}] = out
	}
	if err := t.db.insert(ctx, rows); err != nil {
		return fmt.Errorf("insert of %d rows: %w", len(rows), err)
	}
	return nil
}

func (t table) Flush(context.Context) error { return nil }

// results returns the rows as results, for the suite.
func (t table) results() []dmap.Result[string] {
	t.db.mu.Lock()
	defer t.db.mu.Unlock()
	var all []dmap.Result[string]
	for id, r := range t.db.rows {
		result := dmap.Result[string]{Info: dmap.Info{Key: id.key, Offset: id.offset}, Value: r.value}
		if r.failure != "" {
			result.Err = errors.New(r.failure)
		}
		all = append(all, result)
	}
	return all
}

// TestTable runs both conformance suites on the sink.
func TestTable(t *testing.T) {
	value := func(i int) string { return fmt.Sprint("value ", i) }
	open := func(testing.TB) dmap.Sink[string] { return table{&database{}} }
	dmaptest.TestSink(t, open, value, func(tb testing.TB, s dmap.Sink[string]) []dmap.Result[string] {
		return s.(table).results()
	})
	dmaptest.TestBrokenSink(t, func(testing.TB) dmap.Sink[string] {
		return table{&database{broken: errors.New("connection refused")}}
	}, value)
}

// A sink of your own receives each result once it is final.
func ExampleTestSink() {
	db := &database{}
	stats, err := dmap.Map(context.Background(), customers{newService(25), "eu"},
		func(_ context.Context, c customer) (string, error) { return c.Name, nil }, dmap.Options{}, table{db})
	fmt.Println(stats.Succeeded, len(db.rows), err)
	// Output: 25 25 <nil>
}
