package sink

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/ownresults"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// ErrRunExists is for errors.Is.
var (
	ErrRunExists = attention.Mark(errors.New("the results folder already holds a run"))
)

// BucketSink writes results, and the record of the run, into the run's folder in a bucket. [Bucket]
// makes one. It serves one run at a time.
type BucketSink[R any] struct {
	bucket *blob.Bucket
	prefix string
	opts   BucketOptions
	wrong  error
	run    atomic.Pointer[run]    // nil outside a run
	place  atomic.Pointer[string] // see Place; nil before the end of a run
	stored atomic.Int64           // see Written

	earlier *earlierEnd // of the run that machines share
}

// Bucket returns a sink that writes into prefix/<run ID>/ of bucket: the results as JSON lines in
// parts SUCCEEDED_*, FAILED_*, HELD_* and PENDING_*, and at the end a manifest, which lists the
// parts. Readers trust only the manifest: see results.Load. A run without a manifest is open: a
// call with the same run ID resumes it from its commits. In a folder of this host (fileblob) an OS
// lock keeps other processes from the run, but not over network file systems. docs/format.md
// specifies the folder. At most one BucketOptions may be given.
func Bucket[R any](bucket *blob.Bucket, prefix string, opts ...BucketOptions) *BucketSink[R] {
	f := &BucketSink[R]{bucket: bucket, prefix: prefix, earlier: new(earlierEnd)}
	var errs []error
	if bucket == nil {
		errs = append(errs, errors.New("sink: bucket is nil"))
	}
	if len(opts) > 1 {
		errs = append(errs, fmt.Errorf("sink: %d BucketOptions: want at most one", len(opts)))
	}
	if len(opts) > 0 {
		f.opts = opts[0]
	}
	if err := runfolder.CheckPrefix(prefix); err != nil {
		errs = append(errs, fmt.Errorf("sink: %w", err))
	}
	f.wrong = errors.Join(append(errs, f.opts.validate())...)
	f.opts = f.opts.withDefaults()
	return f
}

// Validate returns all errors of the arguments of Bucket, joined, without any I/O.
func (f *BucketSink[R]) Validate() error { return f.wrong }

// ResultFolder is where the sink writes: a listing leaves it out.
func (f *BucketSink[R]) ResultFolder() ownresults.Folder {
	prefix := strings.TrimSuffix(f.prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return ownresults.Folder{Bucket: f.bucket, Prefix: prefix}
}

// HidesValues reports whether no value of an item may be in what the sink stores (InputsNone). The
// engine keeps them out of the log and the error of the run then.
func (f *BucketSink[R]) HidesValues() bool { return f.opts.Inputs == InputsNone }

// Written is the number of bytes in the parts of settled items that the sink has stored for its
// run, or for the last one, in this process.
func (f *BucketSink[R]) Written() int64 { return f.stored.Load() }

// ConcurrentWrites marks BucketSink as a [dmap.ConcurrentSink].
func (f *BucketSink[R]) ConcurrentWrites() {}

// BorrowsResults marks BucketSink as a [dmap.BorrowingSink]: Write encodes the records before it
// returns.
func (f *BucketSink[R]) BorrowsResults() {}
