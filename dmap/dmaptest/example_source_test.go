package dmaptest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
)

// customer is what the service below stores.
type customer struct {
	ID   int64
	Name string
}

// service stands for a remote service that returns customers in pages, ordered by ID.
type service struct{ customers []customer }

const pageSize = 10

// page returns the first customers with an ID greater than after.
func (s *service) page(ctx context.Context, after int64) ([]customer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i, c := range s.customers {
		if c.ID > after {
			return s.customers[i:min(i+pageSize, len(s.customers))], nil
		}
	}
	return nil, nil
}

func (s *service) lastID() int64 { return s.customers[len(s.customers)-1].ID }

// customers is a source of your own: one split, whose cursors are customer IDs in Cursor.Offset. It
// can be divided at every ID, so that several readers request pages at once.
type customers struct {
	service *service
	prefix  string // of the keys
}

// String names the source in errors and in the record of the run: without credentials.
func (c customers) String() string { return "customers " + c.prefix }

// Items reads the whole source in order, as one split.
func (c customers) Items(ctx context.Context) iter.Seq2[dmap.Item[customer], error] {
	return c.read(ctx, dmap.Split{ID: c.prefix})
}

// Plan says what the source can do. It does no I/O.
func (c customers) Plan() dmap.Plan[customer] {
	p := dmap.Plan[customer]{Splits: c.splits, Read: c.read, TrySplit: c.trySplit, Readers: 4}
	if c.service == nil {
		p.Err = errors.New("customers: the service is nil") // Map returns it before any I/O
	}
	return p
}

func (c customers) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) { yield(dmap.Split{ID: c.prefix}, nil) }
}

// read yields the customers after s.From. It may be called for any Item.Next that it has yielded.
func (c customers) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[customer], error] {
	return func(yield func(dmap.Item[customer], error) bool) {
		after, index := s.From.Offset, int64(0)
		for {
			page, err := c.service.page(ctx, after)
			if err != nil {
				yield(dmap.Item[customer]{}, fmt.Errorf("customers after %d: %w", after, err))
				return
			}
			for _, found := range page {
				if end := dmap.EndOf(ctx, s).Offset; end > 0 && found.ID > end {
					return // the rest belongs to another reader
				}
				item := dmap.Item[customer]{
					Key: c.prefix, Offset: found.ID, Index: index, Value: found,
					Next: dmap.Cursor{Offset: found.ID},
				}
				if !yield(item, nil) {
					return
				}
				after, index = found.ID, index+1
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

// trySplit divides the longest range in its middle, if each half has some pages.
func (c customers) trySplit(_ context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	longest := int64(4 * pageSize)
	for i, s := range reading {
		end := s.To.Offset
		if end == 0 {
			end = c.service.lastID()
		}
		if n := end - s.From.Offset; n > longest {
			which, longest, ok = i, n, true
			at = dmap.Cursor{Offset: s.From.Offset + n/2}
		}
	}
	return which, at, ok
}

// TestCustomers runs the conformance suite on the source: it checks everything that the Plan
// claims.
func TestCustomers(t *testing.T) {
	items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[customer] { return customers{newService(300), "eu"} })
	if len(items) != 300 {
		t.Errorf("%d items, want 300", len(items))
	}
}

func newService(n int) *service {
	s := &service{}
	for i := range n {
		s.customers = append(s.customers, customer{ID: int64(3*i + 1), Name: fmt.Sprint("customer ", i)})
	}
	return s
}

// A source of your own with a Plan: several readers request pages at once, a resumed run requests
// only the pages that remain, and wrong arguments are an error before any I/O.
func ExampleTestSource() {
	ctx := context.Background()
	greet := func(_ context.Context, c customer) (string, error) { return "hello, " + c.Name, nil }
	stats, err := dmap.Map(ctx, customers{newService(300), "eu"}, greet, dmap.Options{MaxConcurrency: 16})
	fmt.Println(stats.Succeeded, err)
	_, err = dmap.Map(ctx, customers{}, greet, dmap.Options{})
	fmt.Println(err)
	// Output:
	// 300 <nil>
	// dmap: source: customers: the service is nil
}
