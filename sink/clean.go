package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/listing"
)

// CleanOptions tune [Clean]. The zero value is valid.
type CleanOptions struct {
	// DryRun removes nothing and returns what would be removed.
	DryRun bool
	// Open allows to clean up after a run that has not ended, by its commits. No process may be running it: what that one has
	// written since its last commit would be lost.
	Open bool
}

// Clean removes what is left in a run's folder of processes that died: parts, and temporary files of folders, that neither
// the manifest nor, while there is none, a commit names. It returns their keys, also those removed before an error.
// ErrNoManifest: the run has not ended; see CleanOptions.Open. It touches nothing else, in the folder or outside.
func Clean(ctx context.Context, bucket *blob.Bucket, prefix, runID string, options ...CleanOptions) (removed []string, err error) {
	var o CleanOptions
	if len(options) > 1 {
		return nil, fmt.Errorf("sink: %d CleanOptions: want at most one", len(options))
	}
	if len(options) > 0 {
		o = options[0]
	}
	counting, err := countingParts(ctx, bucket, prefix, runID, o.Open)
	if err != nil {
		return nil, err
	}
	folder, err := runFolder(prefix, runID)
	if err != nil {
		return nil, err
	}
	ours := regexp.MustCompile(`^((SUCCEEDED|FAILED|PENDING)_[A-Z0-9]+-[0-9]+\.jsonl(\.[0-9a-f]+\.tmp)?` +
		`|((run|manifest)\.json|commits/[0-9A-Za-z.]+)\.[0-9a-f]+\.tmp)$`)
	for object, err := range listing.After(ctx, bucket, folder, "") {
		if err != nil {
			return removed, fmt.Errorf("sink: clean: %w", err)
		}
		name := strings.TrimPrefix(object.Key, folder)
		if counting[object.Key] || !ours.MatchString(name) {
			continue
		}
		if !o.DryRun {
			if err := bucket.Delete(ctx, object.Key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
				return removed, fmt.Errorf("sink: clean: delete %q: %w", object.Key, err)
			}
		}
		removed = append(removed, object.Key)
	}
	return removed, nil
}

// countingParts are the keys of the parts that count.
func countingParts(ctx context.Context, bucket *blob.Bucket, prefix, runID string, open bool) (map[string]bool, error) {
	m, err := LoadManifest(ctx, bucket, prefix, runID)
	if errors.Is(err, ErrNoManifest) && open {
		m, err = committed(ctx, bucket, prefix, runID)
	}
	if err != nil {
		return nil, err
	}
	counting := map[string]bool{}
	for l := range lanes {
		for _, p := range m.lane(l) {
			counting[p.Key] = true
		}
	}
	return counting, nil
}

// committed lists the parts that the commits of an open run name, as a manifest.
func committed(ctx context.Context, bucket *blob.Bucket, prefix, runID string) (*Manifest, error) {
	folder, err := runFolder(prefix, runID)
	if err != nil {
		return nil, err
	}
	there, err := bucket.Exists(ctx, folder+"run.json")
	if err != nil {
		return nil, fmt.Errorf("sink: clean: %w", err)
	}
	if !there {
		return nil, fmt.Errorf("sink: %w: folder %q holds no run", ErrNoManifest, folder)
	}
	journal, err := loadCommits(ctx, bucket, folder)
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	for _, states := range journal.progress().States {
		for _, text := range states {
			var state named // the states of other sinks name no parts
			if json.Unmarshal(text, &state) == nil {
				m.ResultFiles.Failed = append(m.ResultFiles.Failed, state.Failed...)
				m.ResultFiles.Succeeded = append(m.ResultFiles.Succeeded, state.Succeeded...)
			}
		}
	}
	return m, nil
}
