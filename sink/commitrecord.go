package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/internal/publish"
)

const (
	commitsIn   = "commits/"
	maxCommit   = 256 << 20 // bytes of a record
	readCommits = 8         // records read at once
)

// commitSeal is the first line of a record. The second is the fold.
type commitSeal struct {
	Format int    `json:"format"`
	Writer string `json:"writer"` // unique per process: tells a lost answer from another runner
	Size   int    `json:"size"`   // of the second line, without its end
	SHA256 string `json:"sha256"` // of the same, hexadecimal
}

// encodeCommit is the object of a record.
func encodeCommit(writer string, f fold) ([]byte, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	seal, err := json.Marshal(commitSeal{Format: formatVersion, Writer: writer, Size: len(body), SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return append(bytes.Join([][]byte{seal, body}, []byte{'\n'}), '\n'), nil
}

// decodeCommit reads record n and refuses what no run writes.
func decodeCommit(content []byte, n int64) (f fold, err error) {
	first, rest, _ := bytes.Cut(content, []byte{'\n'})
	var seal commitSeal
	if err := json.Unmarshal(first, &seal); err != nil {
		return f, fmt.Errorf("its first line: %w", err)
	}
	if err := checkFormat(seal.Format); err != nil {
		return f, err
	}
	body, end, _ := bytes.Cut(rest, []byte{'\n'})
	sum := sha256.Sum256(body)
	switch {
	case len(body) != seal.Size || len(rest) != len(body)+1 || len(end) > 0:
		return f, fmt.Errorf("it is damaged: %d bytes follow its first line, which says %d", len(rest), seal.Size+1)
	case hex.EncodeToString(sum[:]) != seal.SHA256:
		return f, errors.New("it is damaged: wrong SHA-256")
	}
	if err := json.Unmarshal(body, &f); err != nil {
		return f, err
	}
	if f.Number != n || f.From != firstOf(n) {
		return f, fmt.Errorf("it holds the commits %d to %d, want %d to %d", f.From, f.Number, firstOf(n), n)
	}
	return f, nil
}

// loadCommits reads the journal in folder. It lists no more than the newest names and reads what no newer record holds.
func loadCommits(ctx context.Context, bucket *blob.Bucket, folder string) (folds, error) {
	newest, err := newestCommit(ctx, bucket, folder)
	if err != nil || newest < 0 {
		return nil, err
	}
	var numbers []int64
	for n := newest; n >= 0; n = firstOf(n) - 1 {
		numbers = append(numbers, n)
	}
	all := make(folds, len(numbers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readCommits)
	for i, n := range numbers {
		group.Go(func() error {
			key := folder + commitsIn + commitName(n)
			content, err := publish.Read(ctx, bucket, key, maxCommit)
			if err != nil {
				return fmt.Errorf("sink: commit %d of %d: %w", n, newest, err)
			}
			if all[len(all)-1-i], err = decodeCommit(content, n); err != nil {
				return fmt.Errorf("sink: commit %q: %w", key, err)
			}
			return nil
		})
	}
	return all, group.Wait()
}

// newestCommit is the number of the newest record, -1 if there is none.
func newestCommit(ctx context.Context, bucket *blob.Bucket, folder string) (int64, error) {
	in := folder + commitsIn
	for token := blob.FirstPageToken; len(token) > 0; {
		page, next, err := publish.Page(ctx, bucket, in, token)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return -1, fmt.Errorf("sink: %w", err)
		}
		for _, o := range page {
			if n, ok := commitNumber(strings.TrimPrefix(o.Key, in)); ok {
				return n, nil
			}
		}
		token = next
	}
	return -1, nil
}
