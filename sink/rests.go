package sink

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// allRests are the rests of all objects that have broken off so far: at the end m, and before the
// redrive last, nil if there was none. Each redrive keeps them: the end of one that has read a part
// of a rest does not have it any more, and a later one may take the failed items before a rest.
func allRests(m *runfolder.Manifest, last *runfolder.RedriveFile) []runfolder.Split {
	var all []runfolder.Split
	for _, s := range m.Unread.Splits {
		if s.Before != "" {
			all = append(all, runfolder.Split{ID: s.ID, Object: s.Object, From: s.From, Before: s.Before})
		}
	}
	if last != nil {
		all = append(all, last.Rests...)
	}
	slices.SortStableFunc(all, compareStarts)
	return slices.CompactFunc(all, func(x, y runfolder.Split) bool { return compareStarts(x, y) == 0 }) // the newest stays
}

func compareStarts(x, y runfolder.Split) int {
	return cmp.Or(strings.Compare(x.ID, y.ID), x.From.Compare(y.From))
}

// journalRests are stored rests as the engine has them.
func journalRests(stored []runfolder.Split) journal.Rests {
	all := make([]journal.Rest, len(stored))
	for i, s := range stored {
		all[i] = journal.Rest{Split: s.ID, Object: s.Object, From: journal.Cursor{Key: s.From.Key, Offset: s.From.Offset}, Before: s.Before}
	}
	return journal.NewRests(all)
}
