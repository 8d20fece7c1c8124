package runfolder

import (
	"bytes"
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

// commitReaders is how many commit records are read at once.
const commitReaders = 8

// LoadCommits reads the journal of the run in folder: see LoadJournal.
func LoadCommits(ctx context.Context, bucket *blob.Bucket, folder string) ([]CommitRecord, error) {
	return LoadJournal(ctx, bucket, folder+CommitsFolder)
}

// LoadJournal reads the journal whose records have the prefix in: records in order, each From where
// the one before ends. It lists no more than the newest names and reads only records that no newer
// one holds.
func LoadJournal(ctx context.Context, bucket *blob.Bucket, in string) ([]CommitRecord, error) {
	newest, _, err := newestIn(ctx, bucket, in)
	if err != nil || newest < 0 {
		return nil, err
	}
	var all []CommitRecord // newest first
	for next := newest; next >= 0; {
		records, err := loadChain(ctx, bucket, in, next)
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
		return nil, attention.Mark(fmt.Errorf("commits in %q: %w", in, err))
	}
	return all, nil
}

// loadChain reads record n, and those before it that it needs if each holds as many commits as it
// may: the first 16 or fewer, so that few are read in vain.
func loadChain(ctx context.Context, bucket *blob.Bucket, in string, n int64) ([]CommitRecord, error) {
	var numbers []int64
	for at := n; at >= 0 && len(numbers) < 2*commitReaders; at = FirstOf(at) - 1 {
		numbers = append(numbers, at)
	}
	records := make([]CommitRecord, len(numbers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(commitReaders)
	for i, n := range numbers {
		group.Go(func() error {
			key := in + CommitName(n)
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
	n, _, err := newestIn(ctx, bucket, folder+CommitsFolder)
	return n, err
}

// NewestHeader reads the first line of the newest commit record in folder, and nothing else of it.
func NewestHeader(ctx context.Context, bucket *blob.Bucket, folder string) (header CommitHeader, err error) {
	in := folder + CommitsFolder
	n, size, err := newestIn(ctx, bucket, in)
	if err != nil || n < 0 {
		return header, err
	}
	key := in + CommitName(n)
	content, err := publish.ReadRange(ctx, bucket, key, 0, min(size, maxHeader+1))
	return headerIn(key, content, err)
}

// Header reads the header of commit record n in folder.
func Header(ctx context.Context, bucket *blob.Bucket, folder string, n int64) (CommitHeader, error) {
	key := folder + CommitsFolder + CommitName(n)
	content, err := publish.Read(ctx, bucket, key, MaxCommit)
	return headerIn(key, content, err)
}

func headerIn(key string, content []byte, err error) (header CommitHeader, _ error) {
	if err != nil {
		return header, fmt.Errorf("commit %q: %w", key, err)
	}
	first, _, _ := bytes.Cut(content, []byte{'\n'})
	if header, err = decodeHeader(first); err != nil {
		return header, attention.Mark(fmt.Errorf("commit %q: %w", key, err))
	}
	return header, nil
}

// newestIn is the number of the newest commit record with the prefix in, and its size; -1 if there
// is none.
func newestIn(ctx context.Context, bucket *blob.Bucket, in string) (n, size int64, err error) {
	pages := 0
	for token := blob.FirstPageToken; len(token) > 0; {
		if pages++; pages > maxCommitPages {
			return -1, 0, attention.Mark(fmt.Errorf("list %q: %d pages without a commit: remove objects that dmap has not written", in, maxCommitPages))
		}
		page, next, err := publish.Page(ctx, bucket, in, token)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return -1, 0, err
		}
		for _, o := range page {
			if n, ok := CommitNumber(strings.TrimPrefix(o.Key, in)); ok {
				return n, o.Size, nil
			}
		}
		token = next
	}
	return -1, 0, nil
}
