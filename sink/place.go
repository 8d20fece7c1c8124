package sink

import "github.com/go-dmap/dmap/internal/runfolder"

// Place is the key of the manifest that the last run has ended with, or the folder of its commits
// if it is open. It is empty before the first run has ended. The log of a run names it.
func (f *BucketSink[R]) Place() string {
	if place := f.place.Load(); place != nil {
		return *place
	}
	return ""
}

// openPlace is the place of a run without a manifest.
func (r *run) openPlace() *string {
	place := r.folder
	if r.journal != nil {
		place += runfolder.CommitsFolder
	}
	return &place
}

// endPlace is the place of a run that has ended with m.
func (r *run) endPlace(m *runfolder.Manifest) *string {
	place := r.folder + runfolder.ManifestName(m.Redrive)
	return &place
}
