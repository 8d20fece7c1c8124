package runfolder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

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

// commitReaders is how many commit records are read at once.
const commitReaders = 8

// LoadCommits reads the journal in folder: records in order, each From where the one before ends.
// It lists no more than the newest names and reads only records that no newer one holds.
func LoadCommits(ctx context.Context, bucket *blob.Bucket, folder string) ([]CommitRecord, error) {
	newest, err := NewestCommit(ctx, bucket, folder)
	if err != nil || newest < 0 {
		return nil, err
	}
	var all []CommitRecord // newest first
	for next := newest; next >= 0; {
		records, err := loadChain(ctx, bucket, folder, next)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if r.Number == next { // else a large record before it holds fewer commits than expected
				all = append(all, r)
				next = r.From - 1
			}
		}
	}
	slices.Reverse(all)
	if err := checkJournal(all); err != nil {
		return nil, attention.Mark(fmt.Errorf("commits in %q: %w", folder+CommitsFolder, err))
	}
	return all, nil
}

// loadChain reads record n, and those before it that it needs if each holds as many commits as it
// may: the first 16 or fewer, so that few are read in vain.
func loadChain(ctx context.Context, bucket *blob.Bucket, folder string, n int64) ([]CommitRecord, error) {
	var numbers []int64
	for at := n; at >= 0 && len(numbers) < 2*commitReaders; at = FirstOf(at) - 1 {
		numbers = append(numbers, at)
	}
	records := make([]CommitRecord, len(numbers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(commitReaders)
	for i, n := range numbers {
		group.Go(func() error {
			key := folder + CommitsFolder + CommitName(n)
			content, err := publish.Read(ctx, bucket, key, MaxCommit)
			if transient.Absent(err) { // a newer one needs it, so it was deleted
				err = attention.Mark(err)
			}
			if err != nil {
				return fmt.Errorf("commit %q: %w", key, err)
			}
			if records[i], err = DecodeCommit(ctx, content, n); err != nil {
				return attention.Mark(fmt.Errorf("commit %q: %w", key, err))
			}
			return nil
		})
	}
	return records, group.Wait()
}

// maxCommitPages bounds the pages of other objects before the newest commit.
const maxCommitPages = 1000

// NewestCommit is the number of the newest commit record in folder, -1 if there is none.
func NewestCommit(ctx context.Context, bucket *blob.Bucket, folder string) (int64, error) {
	in := folder + CommitsFolder
	pages := 0
	for token := blob.FirstPageToken; len(token) > 0; {
		if pages++; pages > maxCommitPages {
			return -1, attention.Mark(fmt.Errorf("list %q: %d pages without a commit: remove objects that dmap has not written", in, maxCommitPages))
		}
		page, next, err := publish.Page(ctx, bucket, in, token)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return -1, err
		}
		for _, o := range page {
			if n, ok := CommitNumber(strings.TrimPrefix(o.Key, in)); ok {
				return n, nil
			}
		}
		token = next
	}
	return -1, nil
}
