// Command budgets ends each call of a run after 25 calls of a model, and the whole run after 60
// cents, until somebody grants more.
//
//	go run ./examples/howto/budgets -dir /tmp/budgets   # exit code 75: call again
//	go run ./examples/howto/budgets -dir /tmp/budgets   # the next 25 calls
//	go run ./examples/howto/budgets -dir /tmp/budgets   # exit code 78: 60 cents are spent
//	go run ./examples/howto/budgets -dir /tmp/budgets -cents 200   # the rest
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func main() {
	dir := flag.String("dir", "", "`folder` of the run")
	cents := flag.Float64("cents", 60, "what the run may cost in `cents`")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *dir, *cents); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, dir string, cents float64) error {
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{CreateDir: true, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return err
	}
	defer bucket.Close()
	stats, err := dmap.Map(ctx, source.Slice(prompts(70)), ask, dmap.Options{
		RunID:          "summaries-2026-11",
		MaxConcurrency: 4,
		Budget:         dmap.Budget{Calls: 25},    // of this call of Map: the next one has 25 again
		TotalBudget:    dmap.Budget{Units: cents}, // of the run, over all calls of Map
	}, sink.Bucket[string](bucket, "runs/"))
	fmt.Fprintf(w, "%d of 70 done, %d calls, %.0f cents\n", stats.Succeeded, stats.Calls, stats.Units)

	var spent *dmap.BudgetError
	if errors.As(err, &spent) && spent.Total {
		fmt.Fprintf(w, "more than %.0f cents need an approval\n", spent.Budget.Units)
	}
	return err
}

// ask stands for a call of a model, which tells its cost.
func ask(ctx context.Context, prompt string) (string, error) {
	answer, cost := "answer to "+prompt, 1.0
	return answer, dmap.Spend(ctx, cost)
}

func prompts(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("prompt %d", i)
	}
	return list
}
