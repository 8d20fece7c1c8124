package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-dmap/dmap/internal/unpack"
)

// Decompress selects the objects that are checked for gzip and zstd. The first bytes decide whether
// an object is compressed, so an object that its store has already decompressed is read as it is.
//
// A compressed object is one split, its offsets are those of the decompressed text, and to resume
// in its middle means to decompress it up to there. It may have as many members or frames as it
// likes, frames of zstd without data, and zero bytes after the last member of gzip. More text than
// MaxText and MaxRatio of the options allow, and zstd that needs a window of more than 64 MiB, are
// a *LimitError. All readers of a process share 64 MiB for windows: more of them wait. There, and
// where the compressed data is truncated or damaged, the object breaks off
// (dmap.BrokenObjectError).
type Decompress int

const (
	DecompressByName Decompress = iota // objects whose key ends in .gz, .gzip, .zst or .zstd
	DecompressAny                      // all; to resume in the middle of one costs an additional request
	DecompressNone
)

// Limits of compressed objects where options leave them open.
const (
	DefaultMaxText  = unpack.MaxBytes // bytes of text of an object
	DefaultMaxRatio = unpack.MaxRatio // bytes of text for each byte of the object, beyond the first MiB
)

// unpacking is how objects are decompressed: Decompress, MaxText and MaxRatio of the options.
type unpacking struct {
	Decompress
	limits unpack.Limits
}

func newUnpacking(d Decompress, maxText int64, maxRatio int) unpacking {
	return unpacking{d, unpack.Limits{Bytes: maxText, Ratio: int64(maxRatio)}}
}

func (d Decompress) check() error {
	if d < DecompressByName || d > DecompressNone {
		return fmt.Errorf("Decompress %d is unknown", d)
	}
	return nil
}

// looksInto reports whether an object of that name may be compressed.
func (d Decompress) looksInto(key string) bool {
	return d == DecompressAny || d == DecompressByName && compressedName(key)
}

// openText is openAt for what may be compressed. end is where the text ends as far as that is
// known, -1 if it is not.
func (p span) openText(ctx context.Context, d unpacking) (in io.ReadCloser, end int64, err error) {
	if !d.looksInto(p.object.Key) {
		in, err = p.openAt(ctx)
		return in, p.end(), err
	}
	body, err := p.openWhole(ctx)
	if err != nil {
		return nil, 0, err
	}
	text := &unpacked{body: body, key: p.object.Key}
	text.Reader, err = unpack.Open(ctx, body, d.limits)
	switch {
	case err != nil:
		body.Close()
		return nil, 0, text.located(err)
	case text.Format() == "" && p.from == 0:
		return text, body.Size(), nil
	case text.Format() == "":
		text.Close()
		in, err = p.openAt(ctx)
		return in, p.end(), err
	}
	if err := text.Skip(p.from); err != nil {
		text.Close()
		return nil, 0, text.located(err)
	}
	return text, -1, nil
}

// unpacked is the text of an object.
type unpacked struct {
	*unpack.Reader
	body io.Closer
	key  string
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	return n, u.located(err)
}

// located names the object in an error that does not.
func (u *unpacked) located(err error) error {
	var bad *unpack.Error
	switch {
	case !errors.As(err, &bad):
		return err
	case bad.Limit != "":
		return &LimitError{Object: u.key, Offset: bad.Offset, Limit: bad.Limit, Max: bad.Max}
	}
	return fmt.Errorf("object %q: %w", u.key, err)
}

func (u *unpacked) Close() error {
	u.Reader.Close()
	return u.body.Close()
}

// compressedName reports whether key has the suffix of a compressed object.
func compressedName(key string) bool {
	return slices.ContainsFunc([]string{".gz", ".gzip", ".zst", ".zstd"}, func(suffix string) bool {
		return strings.HasSuffix(strings.ToLower(key), suffix)
	})
}
