package lanes

import (
	"context"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// given is a lease, and the newest attempt at it.
type given struct {
	lease int64
	last  int
}

// lister lists the leases that have lanes, the newest first, without those that are absorbed. It
// keeps one page of names, and stops below the smallest lease that is not absorbed.
type lister struct {
	run      Run
	absorbed journal.Leases
	low      int64 // no lease below is wanted
	names    []string
	token    []byte // of the next page; empty: there is none
	pending  given  // of which more lanes may follow; last 0: none
}

func (r Run) list(absorbed journal.Leases) *lister {
	return &lister{run: r, absorbed: absorbed, low: absorbed.Low(), token: blob.FirstPageToken}
}

// next returns the next lease; ok is false after the last.
func (l *lister) next(ctx context.Context) (out given, ok bool, err error) {
	for {
		if len(l.names) == 0 && len(l.token) > 0 {
			if err := l.page(ctx); err != nil {
				return out, false, err
			}
			continue
		}
		if len(l.names) == 0 {
			out, l.pending = l.pending, given{}
			return out, out.last > 0, nil
		}
		lease, attempt, wanted := l.parse(l.names[0])
		l.names = l.names[1:]
		switch {
		case !wanted:
		case l.pending.last > 0 && l.pending.lease != lease:
			out, l.pending = l.pending, given{lease, attempt}
			return out, true, nil
		default:
			l.pending = given{lease, max(attempt, l.pending.last)}
		}
	}
}

// parse returns the lane of a name, and whether its lease is not absorbed.
func (l *lister) parse(name string) (lease int64, attempt int, wanted bool) {
	lease, attempt, ok := runfolder.LaneOf(strings.TrimPrefix(name, l.run.Folder+runfolder.LanesFolder))
	if ok && lease < l.low { // the names count down
		l.names, l.token = l.names[:1], nil
	}
	return lease, attempt, ok && !l.absorbed.Has(lease)
}

func (l *lister) page(ctx context.Context) (err error) {
	l.names, l.token, err = publish.Folders(ctx, l.run.Bucket, l.run.Folder+runfolder.LanesFolder, l.token)
	return err
}

// Left reports whether a lease has lanes and is not absorbed by the records of the run.
func Left(ctx context.Context, bucket *blob.Bucket, folder string, state commits.State) (bool, error) {
	if _, _, known := state.Era(); !known {
		return false, nil
	}
	_, left, err := Run{Bucket: bucket, Folder: folder}.list(state.Absorbed()).next(ctx)
	return left, err
}
