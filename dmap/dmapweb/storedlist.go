package dmapweb

import (
	"context"
	"io"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// maxRuns bounds how many folders of a bucket are listed.
const maxRuns = 10_000

// list returns the next runs of the bucket whose names are smaller than after, the last ones first,
// which are the newest ones for the IDs that dmap makes. Those of here are left out.
func (s *stored) list(ctx context.Context, after string, here map[string]bool) (lines []line, next string, err error) {
	ids, err := s.ids(ctx)
	if err != nil {
		return nil, "", err
	}
	var page []string
	for _, id := range slices.Backward(ids) {
		if after != "" && id >= after || here[id] {
			continue
		}
		if len(page) == pageOfRuns {
			next = page[len(page)-1]
			break
		}
		page = append(page, id)
	}
	lines = make([]line, len(page))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, id := range page {
		group.Go(func() error {
			lines[i] = s.line(ctx, id)
			return nil
		})
	}
	err = group.Wait()
	lines = slices.DeleteFunc(lines, func(l line) bool { return l.Key == "" })
	return lines, next, err
}

// line is a run in the list. A folder without a run is none.
func (s *stored) line(ctx context.Context, id string) line {
	run, err := s.load(ctx, id)
	if err != nil {
		if known, ok := guard.As[*httpError](err); ok && strings.HasPrefix(known.text, "no run ") {
			return line{}
		}
		return line{
			Key: id, RunID: id, Status: watch.StatusOpen, Tone: watch.ToneBad, Text: "The run cannot be read.", Error: guard.Text(err, maxMessage),
		}
	}
	snapshot := s.snapshot(run, watch.Failures{})
	return lineOf(&snapshot)
}

// ids are the names of the folders under the prefix that may be runs, in order.
func (s *stored) ids(ctx context.Context) (ids []string, err error) {
	folders := s.bucket.List(&blob.ListOptions{Prefix: s.prefix, Delimiter: "/"})
	for {
		object, err := folders.Next(ctx)
		if guard.Is(err, io.EOF) {
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		id, isDir := strings.CutSuffix(strings.TrimPrefix(object.Key, s.prefix), "/")
		if isDir && object.IsDir && isRunID(id) {
			if ids = append(ids, id); len(ids) > maxRuns {
				ids = ids[1:]
			}
		}
	}
}

// manifestKey is the key of the manifest of an end of a run.
func manifestKey(prefix, runID string, redrive int) string {
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return ""
	}
	return folder + runfolder.ManifestName(redrive)
}

// cursor is a position in the failed records of a run: a part, and the lines of it that were read.
type cursor struct{ part, line int }

// failuresFrom returns the run with its failed parts from one on.
func failuresFrom(run *results.Run, part int) *results.Run {
	one := *run
	one.FailedParts = run.FailedParts[min(part, len(run.FailedParts)):]
	return &one
}
