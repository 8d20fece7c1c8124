package dmap

import (
	"context"

	"github.com/go-dmap/dmap/internal/journal"
)

// newMended returns a Mended that asks Plan.Rest. nil: no object was mended.
func newMended(rests journal.Rests, ask func(context.Context, Split) (string, error)) *journal.Mended {
	if ask == nil {
		return nil
	}
	return journal.NewMended(rests, func(ctx context.Context, rest journal.Rest, version string) (now string, err error) {
		now, err = ask(ctx, Split{ID: rest.Split, Object: rest.Object, Version: version, From: Cursor(rest.From), Before: rest.Before})
		if err != nil && Class(err) == "changed" {
			return "", nil
		}
		return now, err
	})
}
