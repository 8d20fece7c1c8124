package sink

import (
	"context"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// leftGroups makes the index of the failures that a redrive leaves.
type leftGroups struct {
	read  *failgroup.Index // of the records that were read and not taken
	known *failgroup.Index // of all records before the redrive, without the taken ones; nil: not known
	bare  map[string]bool  // groups of known that have lost all their samples
}

// complete reports whether known needs no further record.
func (g *leftGroups) complete() bool { return g.known != nil && len(g.bare) == 0 }

// add registers a record.
func (g *leftGroups) add(r *runfolder.Record, taken bool) {
	f := runfolder.FailureOf(r)
	if !taken {
		g.read.Add(f)
	}
	switch {
	case g.known == nil:
		return
	case taken:
		g.known.Remove(f)
	default:
		g.known.AddSample(f) // in place of one that is taken
	}
	if g.bare == nil {
		g.bare = map[string]bool{}
	}
	if id := failgroup.IDOf(f); g.known.Bare(f) {
		g.bare[id] = true
	} else {
		delete(g.bare, id)
	}
}

// knownGroups reads the index of run r, which has ended with m. nil: it has none of all its
// failures, or none that can be read. An index is no result: its loss stops no redrive.
func knownGroups(ctx context.Context, bucket *blob.Bucket, r *run, m *runfolder.Manifest) *failgroup.Index {
	if m.Groups == nil {
		return nil
	}
	groups, err := runfolder.LoadGroups(ctx, bucket, *m.Groups)
	if err != nil {
		r.warn(ctx, "the groups of the failures could not be read: the redrive reads all FAILED records instead", "error", err)
		return nil
	}
	x := runfolder.IndexOf(groups)
	if x.Total() != m.Stats.Failed {
		return nil
	}
	return x
}
