package progress_test

import (
	"context"
	"fmt"
	"os"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/progress"
	"github.com/go-dmap/dmap/source"
)

func ExampleShow() {
	orders := source.Slice([]string{"A1", "A2", "A3"})
	charge := func(_ context.Context, id string) (string, error) { return "receipt for " + id, nil }
	run, err := dmap.Start(context.Background(), orders, charge, dmap.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	progress.Show(os.Stderr, run, progress.Options{Total: 3}) // returns when the run has ended
	stats, err := run.Wait()
	fmt.Println(stats.Succeeded, err)
	// Output: 3 <nil>
}
