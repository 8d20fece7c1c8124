package commits

import (
	"context"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Log is a journal that is open for appending.
type Log struct {
	Bucket *blob.Bucket
	In     string // prefix of its records, with a trailing slash
	Writer string // unique to the process
	State  State  // all that is written
}

// Open reads the journal whose records have the prefix in.
func Open(ctx context.Context, bucket *blob.Bucket, in, writer string) (*Log, error) {
	l := &Log{Bucket: bucket, In: in, Writer: writer}
	return l, l.Reload(ctx)
}

// Reload reads what others have written.
func (l *Log) Reload(ctx context.Context) error {
	records, err := runfolder.LoadJournal(ctx, l.Bucket, l.In)
	if err != nil {
		return err
	}
	l.State = StateOf(records)
	return nil
}

// Append writes the record of c, which is the next one. It matches publish.ErrExists if another
// writer was first.
func (l *Log) Append(ctx context.Context, c journal.Commit, x Extra) error {
	if c.Begins {
		return l.Claim(ctx, c, x)
	}
	return l.write(ctx, c, x, publish.Create)
}

// Claim is Append that also matches publish.ErrNotExclusive if the store does not keep two writers
// apart. Append does so for a commit with Begins.
func (l *Log) Claim(ctx context.Context, c journal.Commit, x Extra) error {
	return l.write(ctx, c, x, publish.Claim)
}

func (l *Log) write(ctx context.Context, c journal.Commit, x Extra, create func(context.Context, *blob.Bucket, string, string, []byte) error) error {
	if next := l.State.Next(); c.Number != next {
		return fmt.Errorf("commit %d of %q: want %d", c.Number, l.In, next)
	}
	content, state, err := l.State.Encode(l.Writer, c, x, MaxBytes)
	if err != nil {
		return fmt.Errorf("encode commit %d of %q: %w", c.Number, l.In, err)
	}
	if err := create(ctx, l.Bucket, l.In+runfolder.CommitName(c.Number), "application/json", content); err != nil {
		return err
	}
	l.State = state
	return nil
}
