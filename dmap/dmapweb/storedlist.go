package dmapweb

import (
	"context"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// listedFor is how long a page of the list of runs is valid: each costs some requests for each of
// its runs.
const listedFor = 10 * time.Second

// listed is a page of the list that was read.
type listed struct {
	until time.Time
	lines []line
	next  string
}

// list returns the next runs of the bucket, the last in the order of their IDs first, without those
// of here.
func (s *stored) list(ctx context.Context, after string, here map[string]bool) (lines []line, next string, err error) {
	s.mu.Lock()
	page, ok := s.pages[after]
	s.mu.Unlock()
	if !ok || time.Now().After(page.until) {
		if page, err = s.readList(ctx, after); err != nil {
			return nil, "", err
		}
		s.mu.Lock()
		if len(s.pages) >= maxEntries {
			clear(s.pages)
		}
		s.pages[after] = page
		s.mu.Unlock()
	}
	for _, l := range page.lines {
		if !here[l.RunID] {
			lines = append(lines, l)
		}
	}
	return lines, page.next, nil
}

func (s *stored) readList(ctx context.Context, after string) (listed, error) {
	runs, next, err := results.List(ctx, s.bucket, s.prefix, results.ListOptions{Before: after, Limit: pageOfRuns})
	if err != nil {
		return listed{}, err
	}
	page := listed{until: time.Now().Add(listedFor), next: next}
	for i := range runs {
		page.lines = append(page.lines, s.line(&runs[i]))
	}
	return page, nil
}

// line is a stored run in the list.
func (s *stored) line(run *results.Summary) line {
	if run.Err != nil {
		return line{
			Key: run.RunID, RunID: run.RunID, Status: watch.StatusOpen, Tone: watch.ToneBad,
			Text: "The run cannot be read.", Error: guard.Text(run.Err, maxMessage),
		}
	}
	snapshot := s.snapshot(&results.Run{
		RunID: run.RunID, Status: run.Status, Error: run.Error, Redrive: run.Redrive, Source: run.Source,
		Started: run.Started, Stopped: run.Stopped, Stats: run.Stats,
	}, watch.Failures{})
	return lineOf(&snapshot)
}

// manifestKey is the key of the manifest of an end of a run.
func manifestKey(prefix, runID string, redrive int) string {
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return ""
	}
	return folder + runfolder.ManifestName(redrive)
}

// pageOfRuns is how many runs of the bucket a page of the list has.
const pageOfRuns = 25
