package runfolder

import "github.com/go-dmap/dmap/internal/journal"

// CommittedParts are the parts in folder that the commits of a run name: those that count while the
// run, or its newest redrive, has no manifest.
func CommittedParts(folder string, commits []CommitRecord) (all BucketState, err error) {
	for _, c := range commits {
		for _, states := range c.States {
			for _, text := range states {
				state, err := decodeState(text)
				if err != nil {
					continue // that of another sink
				}
				state.Failed, state.Succeeded = partsWithin(folder, state.Failed), partsWithin(folder, state.Succeeded)
				state.Held = partsWithin(folder, state.Held)
				all.Add(state)
			}
		}
	}
	return all, CheckParts(folder, all)
}

// partsWithin returns the parts in folder: a run may write into several folders.
func partsWithin(folder string, parts []Part) []Part {
	var in []Part
	for _, p := range parts {
		if Within(folder, p.Key) {
			in = append(in, p)
		}
	}
	return in
}

// LatestRelease is the latest release of held items by the commits, which are in order; nil if
// there is none.
func LatestRelease(commits []CommitRecord) *Release {
	for i := len(commits) - 1; i >= 0; i-- {
		if e := commits[i].Release; e != nil {
			return e
		}
	}
	return nil
}

// CommittedEdits are the edits of the commits of a run together, nil if there are none.
func CommittedEdits(commits []CommitRecord) *Edits {
	var all Edits
	for i := range commits {
		e := commits[i].Edits
		if e == nil {
			continue
		}
		all.Count += e.Count
		all.Newest = journal.NewestEdits(all.Newest, e.Newest)
	}
	if all.Count == 0 {
		return nil
	}
	return &all
}

// CommittedTolerance is the tolerance after the commits of a run, nil if they do not say it.
func CommittedTolerance(commits []CommitRecord) *Tolerance {
	for i := len(commits) - 1; i >= 0; i-- {
		if t := commits[i].Tolerance; t != nil {
			return t
		}
	}
	return nil
}
