package dmap_test

import (
	"context"
	"errors"
	"fmt"

	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

type order struct {
	Number string  `csv:"number"`
	Amount float64 `csv:"amount"`
}

const orders = "number,amount\nA1,10\nA2,-3\nA3,7.50\n"

func charge(_ context.Context, o order) (string, error) {
	if o.Amount < 0 {
		return "", errors.New("negative amount")
	}
	return fmt.Sprintf("%s: %.2f", o.Number, o.Amount), nil
}

func ExampleMap() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	defer func() { _ = bucket.Close() }()
	_ = bucket.WriteAll(ctx, "orders.csv", []byte(orders), nil)

	var got sink.Memory[string]
	stats, err := dmap.Map(ctx, source.CSV(bucket, "orders.csv", source.Into[order]), charge,
		dmap.Options{Tolerance: dmap.Tolerance{Count: 1}}, &got)

	fmt.Println(stats.Succeeded, stats.Failed, err)
	for _, r := range got.Results() {
		fmt.Println(r.ID(), r.Value, r.Err)
	}
	// Output:
	// 2 1 <nil>
	// orders.csv@14 A1: 10.00 <nil>
	// orders.csv@20  negative amount
	// orders.csv@26 A3: 7.50 <nil>
}

func ExampleMapBatch() {
	prices := map[string]int{"apple": 3, "pear": 4} // shared by all calls: captured
	look := func(_ context.Context, items []dmap.Item[string]) ([]int, error) {
		out, errs := make([]int, len(items)), batch.Errors{}
		for i, item := range items {
			price, ok := prices[item.Value]
			if !ok {
				errs[i] = fmt.Errorf("no price for %q", item.Value)
			}
			out[i] = price
		}
		return out, errs.Err()
	}
	stats, err := dmap.MapBatch(context.Background(), source.Slice([]string{"apple", "fig", "pear"}), batch.Limits{Items: 400}, look,
		dmap.Options{Tolerance: dmap.Tolerance{Percentage: 50}})
	fmt.Println(stats.Calls, stats.Succeeded, stats.Failed, err)
	// Output: 1 2 1 <nil>
}

func ExampleStart() {
	steered := make(chan struct{})
	square := func(_ context.Context, n int) (int, error) {
		<-steered // else the run may have ended before
		return n * n, nil
	}
	run, err := dmap.Start(context.Background(), source.Slice([]int{1, 2, 3}), square, dmap.Options{MaxConcurrency: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	run.Pause()
	_ = run.SetMaxConcurrency(2)
	run.Resume()
	close(steered)
	stats, err := run.Wait()
	fmt.Println(stats.Succeeded, stats.Limit, err)
	// Output: 3 2 <nil>
}

func ExampleResults() {
	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	for r, err := range dmap.Results(context.Background(), source.Slice([]int{1, 2, 3}), square, dmap.Options{MaxConcurrency: 1}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(r.Offset, r.Value, r.Err)
	}
	// Output:
	// 0 1 <nil>
	// 1 4 <nil>
	// 2 9 <nil>
}

func ExampleInfoFrom() {
	_, _ = dmap.Map(context.Background(), source.Slice([]string{"a"}), func(ctx context.Context, _ string) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		fmt.Println(info.Attempt, info.IdempotencyKey()) // the same key in every attempt of this run at this item
		return 0, nil
	}, dmap.Options{RunID: "nightly-2026-11-23"})
	// Output: 1 3694394eebfc3a043af3dc4c713998b1
}
