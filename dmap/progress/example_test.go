package progress_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/progress"
	"github.com/go-dmap/dmap/source"
)

func charge(_ context.Context, id string) (string, error) { return "receipt for " + id, nil }

func ExampleObserver() {
	stats, err := dmap.Map(context.Background(), source.Slice([]string{"A1", "A2", "A3"}), charge, dmap.Options{
		Observer: progress.Observer(os.Stderr, progress.Options{}),
	})
	fmt.Println(stats.Succeeded, err)
	// Output: 3 <nil>
}

func ExampleNew() {
	display := progress.New(os.Stderr, progress.Options{})
	defer display.Close()
	stats, err := dmap.Map(context.Background(), source.Slice([]string{"A1", "A2", "A3"}), charge, dmap.Options{
		Observer: display.Observer(),
		Logger:   slog.New(slog.NewTextHandler(display, nil)), // its lines stay above the progress
	})
	fmt.Println(stats.Succeeded, err)
	// Output: 3 <nil>
}

func ExampleShow() {
	run, err := dmap.Start(context.Background(), source.Slice([]string{"A1", "A2", "A3"}), charge, dmap.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	progress.Show(os.Stderr, run, progress.Options{Total: 3}) // returns when the run has ended
	stats, err := run.Wait()
	fmt.Println(stats.Succeeded, err)
	// Output: 3 <nil>
}
