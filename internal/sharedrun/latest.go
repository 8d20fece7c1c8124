package sharedrun

import (
	"context"
	"time"

	"github.com/go-dmap/dmap/internal/coord"
)

// controlFile is control.json: it steers the leases in flight, and decides nothing that counts.
type controlFile struct {
	Format  int          `json:"format"`
	Era     int64        `json:"era"`
	Version int64        `json:"version"` // counts up in an era
	Orders  coord.Orders `json:"orders"`
}

// fresh is how long the leases of a machine share one reading of the orders.
const fresh = 500 * time.Millisecond

// latest is the newest reading of control.json, which all leases of a machine share. Make one with
// newLatest.
type latest struct {
	token chan struct{} // whoever has put one in uses the fields below
	file  controlFile   // Format 0: there is none
	at    time.Time     // zero: it was not read
}

func newLatest() latest { return latest{token: make(chan struct{}, 1)} }

// get returns a file that is at most half a second old. It reads by read, one at a time.
func (l *latest) get(ctx context.Context, read func(context.Context) (controlFile, error)) (controlFile, error) {
	select {
	case l.token <- struct{}{}:
		defer func() { <-l.token }()
	case <-ctx.Done():
		return controlFile{}, context.Cause(ctx)
	}
	now := time.Now()
	if now.Sub(l.at) < fresh {
		return l.file, nil
	}
	file, err := read(ctx)
	if err != nil {
		return file, err
	}
	l.file, l.at = file, now
	return file, nil
}
