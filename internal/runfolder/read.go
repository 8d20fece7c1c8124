package runfolder

import (
	"context"
	"errors"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/transient"
)

// ErrNoManifest says that a folder has no manifest.
var ErrNoManifest = errors.New("no manifest: the run has not ended, or there is none")

// ErrNoRun says that a folder has no run.json.
var ErrNoRun = errors.New("there is no run of that name")

// LoadRunFile reads run.json of the run runID in folder, nil if there is none.
func LoadRunFile(ctx context.Context, bucket *blob.Bucket, folder, runID string) (*RunFile, error) {
	key := folder + RunFileName
	content, err := publish.Read(ctx, bucket, key, MaxRunFile)
	if transient.Absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := DecodeRunFile(content, runID)
	if err != nil {
		return nil, attention.Mark(fmt.Errorf("%q: %w", key, err))
	}
	return f, nil
}

// LoadManifest reads the newest manifest of the run runID in folder. It probes the numbers upwards
// and never lists. A folder without a manifest costs one request, one without a redrive two.
// ErrNoManifest: the run has not ended.
func LoadManifest(ctx context.Context, bucket *blob.Bucket, folder, runID string) (*Manifest, error) {
	m, err := loadManifest(ctx, bucket, folder, runID, 0)
	if err != nil {
		return nil, err
	}
	n := 0
	for {
		if n == maxRedrives {
			return nil, attention.Mark(
				fmt.Errorf("manifest: the store says that folder %q has more than %d: remove those that dmap has not written", folder, maxRedrives))
		}
		there, err := HasManifest(ctx, bucket, folder, n+1)
		if err != nil {
			return nil, err
		}
		if !there {
			break
		}
		n++
	}
	if n == 0 {
		return m, nil
	}
	return loadManifest(ctx, bucket, folder, runID, n)
}

// maxRedrives bounds the manifests of a run.
const maxRedrives = 10_000

// HasManifest reports whether the folder has manifest n.
func HasManifest(ctx context.Context, bucket *blob.Bucket, folder string, n int) (bool, error) {
	there, err := publish.Exists(ctx, bucket, folder+ManifestName(n))
	if err != nil {
		return false, fmt.Errorf("manifest: %w", err)
	}
	return there, nil
}

// IsNewest reports whether manifest n, which was there, still is and is the last one.
func IsNewest(ctx context.Context, bucket *blob.Bucket, folder string, n int) (bool, error) {
	there, err := HasManifest(ctx, bucket, folder, n)
	if err != nil || !there {
		return false, err
	}
	next, err := HasManifest(ctx, bucket, folder, n+1)
	return !next, err
}

// LoadManifests reads all manifests of the run, from number 0 on.
func LoadManifests(ctx context.Context, bucket *blob.Bucket, folder, runID string) ([]*Manifest, error) {
	var all []*Manifest
	for n := range maxRedrives {
		m, err := loadManifest(ctx, bucket, folder, runID, n)
		if n > 0 && errors.Is(err, ErrNoManifest) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return nil, attention.Mark(fmt.Errorf("manifest: folder %q has more than %d", folder, maxRedrives))
}

func loadManifest(ctx context.Context, bucket *blob.Bucket, folder, runID string, n int) (*Manifest, error) {
	key := folder + ManifestName(n)
	content, err := publish.Read(ctx, bucket, key, MaxManifest)
	if transient.Absent(err) {
		return nil, fmt.Errorf("%w: %w", ErrNoManifest, err)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m, err := DecodeManifest(ctx, content, folder, runID)
	if err == nil && m.Redrive != n {
		err = fmt.Errorf("manifest belongs to redrive %d", m.Redrive)
	}
	if err != nil {
		return nil, attention.Mark(fmt.Errorf("manifest %q: %w", key, err))
	}
	return m, nil
}
