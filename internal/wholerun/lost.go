package wholerun

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// mostLost is how many workers that have lost leases are remembered.
const mostLost = 100

// lostWorkers are the workers that have lost leases, by their names.
type lostWorkers struct {
	byName map[string]dmap.RunWorker
}

// lose registers that a worker has not returned n leases.
func (w *lostWorkers) lose(name string, n int, seen time.Time) {
	if w.byName == nil {
		w.byName = map[string]dmap.RunWorker{}
	}
	one := w.byName[name]
	one.Name, one.Lost = name, one.Lost+n
	if seen.After(one.Seen) {
		one.Seen = seen
	}
	w.byName[name] = one
	if len(w.byName) <= mostLost {
		return
	}
	oldest := name
	for k, other := range w.byName {
		if other.Seen.Before(w.byName[oldest].Seen) {
			oldest = k
		}
	}
	delete(w.byName, oldest)
}
