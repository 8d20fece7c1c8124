package watch

import (
	"cmp"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Worker is a process that works on a run on many machines.
type Worker struct {
	Name     string  `json:"name"`
	Leases   int     `json:"leases"` // parts of the source that it has
	InFlight int     `json:"inFlight"`
	Seen     float64 `json:"seen"`           // seconds since its newest sign of life
	Lost     int     `json:"lost,omitempty"` // leases that it did not return
	Silent   bool    `json:"silent,omitempty"`
}

const (
	mostWorkers = 50  // in a Snapshot
	longestName = 128 // bytes
)

// workersOf are the workers of a run. nil: it runs in one process.
func workersOf(run dmap.LiveRun) []dmap.RunWorker {
	if many, ok := run.(interface{ Workers() []dmap.RunWorker }); ok {
		return many.Workers()
	}
	return nil
}

// workersAt are the workers at a time, those first that others should look at.
func workersAt(list []dmap.RunWorker, now time.Time) (out []Worker, omitted int) {
	for _, w := range list {
		seen := since(now, w.Seen)
		out = append(out, Worker{
			Name: scrub.Clip(w.Name, longestName), Leases: w.Leases, InFlight: w.InFlight, Seen: seen.Seconds(), Lost: w.Lost,
			Silent: w.Silent(now),
		})
	}
	slices.SortStableFunc(out, func(a, b Worker) int {
		return cmp.Or(order(a.Silent, b.Silent), order(a.Lost > 0, b.Lost > 0), cmp.Compare(a.Name, b.Name))
	})
	omitted = max(0, len(out)-mostWorkers)
	return out[:len(out)-omitted], omitted
}

// order puts true before false.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// losses are the texts of marks about workers that have lost leases since another reading.
func losses(before, now []dmap.RunWorker) (texts []string) {
	lost := map[string]int{}
	for _, w := range before {
		lost[w.Name] = w.Lost
	}
	for _, w := range now {
		if n := w.Lost - lost[w.Name]; n > 0 {
			texts = append(texts, "worker "+scrub.Clip(w.Name, longestName)+" has lost "+Counted(int64(n), "lease")+": others continue")
		}
	}
	return texts
}
