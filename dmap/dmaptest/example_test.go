package dmaptest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap/dmaptest"
)

func ExampleGauge() {
	var gauge dmaptest.Gauge
	square := dmaptest.Gauged(&gauge, func(_ context.Context, n int) (int, error) { return n * n, nil })

	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() { _, _ = square(context.Background(), n) })
	}
	wg.Wait()
	fmt.Println(gauge.Total(), gauge.Now(), gauge.Peak() <= 10)
	// Output: 10 0 true
}

func ExampleFaultBucket() {
	tb := new(exampleTB) // in a test: t
	ctx := context.Background()
	below := memblob.OpenBucket(nil)
	_ = below.WriteAll(ctx, "a.txt", []byte("hello, world"), nil)

	bucket := dmaptest.NewFaultBucket(tb, below)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "a.txt", Kind: dmaptest.Reset, After: 5})

	data, err := bucket.ReadAll(ctx, "a.txt")
	fmt.Printf("%s: %v\n", data, errors.Is(err, dmaptest.ErrInjected))
	data, err = bucket.ReadAll(ctx, "a.txt")
	fmt.Printf("%s: %v\n", data, err)
	// Output:
	// hello: true
	// hello, world: <nil>
}

// exampleTB stands in for the *testing.T that an example does not have.
type exampleTB struct{ testing.TB }

func (*exampleTB) Helper()        {}
func (*exampleTB) Cleanup(func()) {}
