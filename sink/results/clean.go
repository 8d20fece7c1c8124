package results

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/listing"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// CleanOptions tune [Clean]. The zero value is valid.
type CleanOptions struct {
	// DryRun removes nothing and returns what would be removed.
	DryRun bool
	// Open also cleans up after a run that has not ended, by its commits. No process may be
	// running it: its results since its last commit would be lost.
	Open bool
}

// Clean removes what crashed processes left in a run's folder: parts that no manifest names, and,
// while the run or a redrive of it is open, no commit; lists of items that the newest redrive does
// not need; objects of killed preflights; and temporary files of folders. The parts of earlier ends
// stay. It returns their keys,
// also those removed before an error. It touches nothing else, in the folder or outside.
// ErrNoManifest: the run has not ended, or is being redriven; see CleanOptions.Open.
func Clean(ctx context.Context, bucket *blob.Bucket, prefix, runID string, options ...CleanOptions) (removed []string, err error) {
	if err := missing(ctx, bucket); err != nil {
		return nil, err
	}
	var o CleanOptions
	if len(options) > 1 {
		return nil, fmt.Errorf("results: %d CleanOptions: want at most one", len(options))
	}
	if len(options) > 0 {
		o = options[0]
	}
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	valid, err := validParts(ctx, bucket, folder, runID, o.Open)
	if err != nil {
		return nil, fmt.Errorf("results: clean: %w", err)
	}
	for object, err := range listing.After(ctx, bucket, folder, "") {
		if err != nil {
			return removed, fmt.Errorf("results: clean: %w", err)
		}
		name := strings.TrimPrefix(object.Key, folder)
		if valid[object.Key] || !runfolder.IsPart(name) && !runfolder.IsTaken(name) && !runfolder.IsLeftover(name) && !runfolder.IsProbe(name) {
			continue
		}
		if !o.DryRun {
			if err := publish.Delete(ctx, bucket, object.Key); err != nil {
				return removed, fmt.Errorf("results: clean: %w", err)
			}
		}
		removed = append(removed, object.Key)
	}
	return removed, nil
}

// validParts are the keys of the parts that a manifest of the run or its newest redrive names, or,
// with open, its commits.
func validParts(ctx context.Context, bucket *blob.Bucket, folder, runID string, open bool) (map[string]bool, error) {
	manifests, err := runfolder.LoadManifests(ctx, bucket, folder, runID)
	if errors.Is(err, runfolder.ErrNoManifest) && open {
		return committedParts(ctx, bucket, folder)
	}
	if err != nil {
		return nil, err
	}
	valid := map[string]bool{}
	for _, m := range manifests {
		for k := range runfolder.Kinds {
			addParts(valid, m.ResultFiles.Of(k))
		}
		if m.Groups != nil {
			valid[m.Groups.Key] = true
		}
	}
	return valid, addRedrive(ctx, bucket, folder, runID, len(manifests), open, valid)
}

// addRedrive adds the parts that redrives need: an open one, which follows the last of n manifests,
// and the next one, which takes what the last redrive that counts has left.
func addRedrive(ctx context.Context, bucket *blob.Bucket, folder, runID string, n int, open bool, valid map[string]bool) error {
	file, err := runfolder.LoadRedrive(ctx, bucket, folder, runID, n)
	if err != nil {
		return err
	}
	if file != nil {
		if !open {
			return fmt.Errorf("%w: redrive %d of run %q is open", ErrNoManifest, n, runID)
		}
		committed, err := committedParts(ctx, bucket, folder)
		if err != nil {
			return err
		}
		maps.Copy(valid, committed)
		addTaken(valid, file)
	}
	records, err := runfolder.LoadCommits(ctx, bucket, folder)
	if err != nil {
		return err
	}
	addReleased(valid, records)
	for _, c := range records {
		if c.Redrive == nil {
			continue
		}
		if file, err = runfolder.LoadRedrive(ctx, bucket, folder, runID, c.Redrive.Number); err != nil {
			return err
		}
		if file != nil {
			addTaken(valid, file)
		}
	}
	return nil
}

// addTaken adds the parts that a redrive needs.
func addTaken(valid map[string]bool, file *runfolder.RedriveFile) {
	addParts(valid, file.Taken)
	addParts(valid, file.NotTaken)
	for _, w := range file.Waiting {
		valid[w.Part.Key] = true
	}
}

// addReleased adds the lists of the latest release, which a redrive reads, too.
func addReleased(valid map[string]bool, records []runfolder.CommitRecord) {
	if e := runfolder.LatestRelease(records); e != nil {
		addParts(valid, e.Taken)
	}
}

func addParts(keys map[string]bool, parts []runfolder.Part) {
	for _, p := range parts {
		keys[p.Key] = true
	}
}

// committedParts are the keys of the parts that the commits of an open run name.
func committedParts(ctx context.Context, bucket *blob.Bucket, folder string) (map[string]bool, error) {
	there, err := publish.Exists(ctx, bucket, folder+runfolder.RunFileName)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, fmt.Errorf("%w: folder %q holds no run", ErrNoManifest, folder)
	}
	records, err := runfolder.LoadCommits(ctx, bucket, folder)
	if err != nil {
		return nil, err
	}
	left, err := lanes.Left(ctx, bucket, folder, commits.StateOf(records))
	if err == nil && left { // their parts count once a record of the run absorbs them
		err = fmt.Errorf("%w: leases of other machines are not taken in yet: resume or end the run first", ErrNoManifest)
	}
	if err != nil {
		return nil, err
	}
	state, err := runfolder.CommittedParts(folder, records)
	if err != nil {
		return nil, err
	}
	valid := map[string]bool{}
	addParts(valid, state.Failed)
	addParts(valid, state.Succeeded)
	addParts(valid, state.Held)
	addReleased(valid, records)
	return valid, nil
}
