package lanes

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
)

// seal makes a lane final and returns its records. Its owner, if one still runs, is fenced by the
// next record that it writes.
func (r Run) seal(ctx context.Context, lease int64, attempt int) (commits.State, error) {
	log := r.lane(lease, attempt)
	var err error
	for range mostRaces {
		if err = log.Reload(ctx); err != nil {
			return nil, err
		}
		if err := checkLane(log, lease, attempt); err != nil {
			return nil, err
		}
		if log.State.Final() {
			return log.State, nil
		}
		err = log.Append(ctx, journal.Commit{Number: log.State.Next(), Final: true}, commits.Extra{})
		if err == nil {
			return log.State, nil
		}
		if !guard.Is(err, publish.ErrExists) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("seal lane %q: its owner wrote each of %d records first: call again: %w", log.In, mostRaces, err)
}

// checkLane refuses the records of another lane.
func checkLane(log *commits.Log, lease int64, attempt int) error {
	if !log.State.Begun() {
		return nil
	}
	if at := log.State[0].Lane; at.Lease != lease || at.Attempt != attempt {
		return attention.Mark(fmt.Errorf("lane %q: its first record is of attempt %d at lease %d", log.In, at.Attempt, at.Lease))
	}
	return nil
}

// sealAll seals the lanes of the attempts 1 to last at a lease, the newest first: an owner of a
// newer lane has sealed those before it.
func (r Run) sealAll(ctx context.Context, lease int64, last int) ([]commits.State, error) {
	states := make([]commits.State, last)
	for attempt := last; attempt >= 1; attempt-- {
		state, err := r.seal(ctx, lease, attempt)
		if err != nil {
			return nil, err
		}
		states[attempt-1] = state
	}
	return states, nil
}
