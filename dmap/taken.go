package dmap

import (
	"context"
	"iter"

	"github.com/go-dmap/dmap/internal/journal"
)

// takenList is a stored list of items to read again.
type takenList struct {
	journal.TakenPart
	read func(ctx context.Context, part journal.TakenPart, from int64) iter.Seq2[journal.TakenItem, error]
}
