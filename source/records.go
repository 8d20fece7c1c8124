package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/body"
	guarded "github.com/go-dmap/dmap/internal/guard"
)

// records is one object as a source of its records. Cursors are offsets. A large object is
// several splits, which share the ID: the settled part does not depend on the division.
type records[T any] struct {
	kind    string // "csv"
	object  Object // Size, ModTime and ETag only if listed
	listed  bool   // the object came from a listing: no need to ask for its attributes
	invalid error
	open    func(context.Context, span) (framer[T], error)
	unpacking
	header func(context.Context, Object) (string, error) // identifies it, for dmap.SetHeader; nil: there is none
	lines  bool                                          // each record ends with a line end
	divide divider                                       // nil: the object is one split, however large
	large  largeObject
}

// divider calls emit(from, to) for each split of a large object from an offset on, and stops when
// emit returns false. Every split starts at a record; to == 0 marks the last.
type divider func(ctx context.Context, l *largeObject, object Object, from int64, emit func(from, to int64) bool) error

// framer finds records one after the other.
type framer[T any] interface {
	Next() error // a *record.Fault, io.EOF, or an error that ends the source
	Offset() int64
	Line() int64
	End() int64
	Value() (T, error) // of the record that Next found
	Raw() []byte       // its first bytes, or those of the record of a fault
	Close() error
}

// named returns the object of a record source that knows only bucket and key.
func named(bucket *blob.Bucket, key string, origin *origin) (Object, error) {
	err := checkBucket(bucket)
	if key == "" {
		err = errors.Join(err, errors.New("the key is empty"))
	}
	return Object{Key: key, Size: -1, from: origin}, err
}

// originOf returns an origin with the abilities of its store.
func originOf(bucket *blob.Bucket, stall time.Duration, store StoreFeatures) *origin {
	o := newOrigin(bucket, stall)
	o.store = store
	if store.Answer != nil {
		o.answer = func(as func(any) bool) (a body.Answer, ok bool) {
			err := guard(func() error {
				var told ReadAnswer
				told, ok = store.Answer(as)
				a = body.Answer{Begin: told.Begin, Size: told.Size, Encoded: told.Decoded || undone(told.Encoding), ETag: told.ETag}
				return nil
			})
			return a, ok && err == nil
		}
	}
	return o
}

func (r *records[T]) String() string { return r.kind + " " + r.object.Key }

func (r *records[T]) Plan() dmap.Plan[T] {
	if r.invalid != nil {
		return brokenPlan[T](r.invalid)
	}
	p := dmap.Plan[T]{Splits: r.splits, Read: r.readSplit, Whole: dmap.Split{ID: r.object.Key, Object: r.object.Key}}
	p.Seeks, p.Preflight, p.Sample, p.Skim = r.seeks, r.preflight, r.sample, r.skim
	p.Rest, p.Layout = r.rest, r.layout
	if r.divide != nil {
		p.Resume = r.resume
	}
	return p
}

// splits yields the parts of the object, pinned to the version it has now.
func (r *records[T]) splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return r.resume(ctx, func(string) (dmap.Cursor, bool) { return dmap.Cursor{}, false })
}

// resume divides a large object after its settled prefix, which is not read again.
func (r *records[T]) resume(ctx context.Context, settled func(id string) (dmap.Cursor, bool)) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		object, err := r.pin(ctx)
		if err != nil {
			yield(dmap.Split{}, err)
			return
		}
		r.large.pin(object)
		emit := func(from, to int64) bool {
			return yield(dmap.Split{
				ID: object.Key, Object: object.Key, Version: version(object),
				From: dmap.Cursor{Offset: from}, To: dmap.Cursor{Offset: to},
			}, nil)
		}
		from, some := settled(object.Key)
		all := some && from == dmap.Cursor{} // then only the version counts, which the engine compares
		if r.divide == nil || all || object.Size < r.large.small || compressedName(object.Key) {
			emit(0, 0)
			return
		}
		if err := r.divide(ctx, &r.large, object, from.Offset, emit); err != nil {
			yield(dmap.Split{}, err)
		}
	}
}

// pin requests the size, time and ETag of the object, unless they came from a listing.
func (r *records[T]) pin(ctx context.Context) (Object, error) {
	if r.invalid != nil || r.listed {
		return r.object, r.invalid
	}
	object, attributes, err := r.object.attributesNow(ctx)
	if err == nil && (object.Size == 0 || undone(attributes.ContentEncoding)) {
		object.Size = -1 // it is empty, or the store does not tell: its bytes do
	}
	return object, err
}

func (r *records[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, r.Plan())
}

// readSplit reads the whole object by one request if s has no version, as Plan.Whole: that is how
// Flatten reads many objects at once.
func (r *records[T]) readSplit(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	return r.readBy(ctx, s, r.item)
}

// itemOf fills the zero item with the record or the error that a framer has found, unless err is
// one that ends the source.
type itemOf[T any] func(found framer[T], err error, item *dmap.Item[T]) error

func (r *records[T]) readBy(ctx context.Context, s dmap.Split, itemOf itemOf[T]) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		if err := r.owns(s); err != nil {
			yield(dmap.Item[T]{}, err)
			return
		}
		object, err := r.version(ctx, s)
		if err != nil {
			yield(dmap.Item[T]{}, err)
			return
		}
		part := span{object: object, from: s.From.Offset, to: s.To.Offset, lines: r.lines}
		if s.Version != "" {
			part.large = &r.large
		} else {
			part.now = part.from == 0 && part.to == 0 // else other items of the version have been read
		}
		r.read(ctx, part, itemOf, yield)
	}
}

// owns returns an error for a split of another source.
func (r *records[T]) owns(s dmap.Split) error {
	if s.ID != "" && s.ID != r.object.Key || s.Object != "" && s.Object != r.object.Key {
		return invalid(r, unknownSplit(s))
	}
	return nil
}

// version is the object, which must be of the version of s; empty: any. What Splits has pinned
// needs no other request: that it has changed since is found out when it is opened. The rest of an
// object that broke off may be of another version, if its content before the rest is the same.
func (r *records[T]) version(ctx context.Context, s dmap.Split) (Object, error) {
	if object, ok := r.large.known(s.Version); ok && s.Version != "" {
		return object, nil
	}
	object, err := r.pin(ctx)
	if err != nil {
		return object, err
	}
	same := s.Version == version(object)
	switch {
	case same || s.Version == "" && s.Before == "":
		return object, nil
	case s.Before != "":
		return object, r.sameBefore(ctx, object, s)
	}
	return object, changed(object.Key, "version", s.Version, version(object))
}

func (r *records[T]) read(ctx context.Context, part span, itemOf itemOf[T], yield func(dmap.Item[T], error) bool) {
	at := part.from // the end of the last item
	found, err := r.open(ctx, part)
	if err == io.EOF {
		return
	}
	if err != nil {
		yield(dmap.Item[T]{}, r.brokenAt(ctx, part.object, at, err))
		return
	}
	defer found.Close()
	var item dmap.Item[T] // one for all records: it is large
	for index := int64(0); ; index++ {
		err := found.Next()
		if err == io.EOF || err == nil && part.ends(found.Offset()) {
			return
		}
		item = dmap.Item[T]{}
		if err := itemOf(found, err, &item); err != nil {
			yield(dmap.Item[T]{}, r.brokenAt(ctx, part.object, at, err))
			return
		}
		item.Index, at = index, item.Next.Offset
		if !yield(item, nil) {
			return
		}
	}
}

// item is an itemOf.
func (r *records[T]) item(found framer[T], err error, item *dmap.Item[T]) error {
	if err := r.place(found, err, item); err != nil || item.Err != nil {
		return err
	}
	item.Value, err = found.Value()
	if err != nil {
		item.Err = withRaw(r.rowError(found, err), found)
	}
	return nil
}

// place is an itemOf that leaves the value out.
func (r *records[T]) place(found framer[T], err error, item *dmap.Item[T]) error {
	fault := faultOf(err)
	if err != nil && (fault == nil || fault.Fatal) {
		return located(r.object.Key, err)
	}
	item.Key, item.Offset, item.Next.Offset = r.object.Key, found.Offset(), found.End()
	item.Size = item.Next.Offset - item.Offset
	if fault != nil {
		item.Err = withRaw(located(r.object.Key, fault), found)
	}
	return nil
}

// rowError adds the position of a value to the error of its decoder. ErrSkip is no error to
// locate.
func (r *records[T]) rowError(found framer[T], err error) error {
	if guarded.Is(err, dmap.ErrSkip) {
		return err
	}
	located := &RowError{Object: r.object.Key, Offset: found.Offset(), Line: found.Line(), Err: err}
	switch own := err.(type) { //nolint:errorlint // as the decoders of this package return them
	case *columnError:
		located.Column, located.Err = own.name, own.err
	case *raggedError:
		located.plain = true
	}
	located.plain = located.plain || err == errInvalidUTF8
	return located
}

// columnError is what a decoder reports about one column.
type columnError struct {
	name string
	err  error
}

func (e *columnError) Error() string {
	return fmt.Sprintf("column %q: %s", e.name, guarded.Text(e.err, maxCause))
}

// Unwrap returns the cause.
func (e *columnError) Unwrap() error { return e.err }

// seeks reports whether the object can be read from the middle: unless its name says that it is
// compressed.
func (r *records[T]) seeks(dmap.Split) bool { return !compressedName(r.object.Key) }

// skim reads the records of s and decodes none.
func (r *records[T]) skim(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	return r.readBy(ctx, s, r.place)
}

// layout is a Plan.Layout.
func (r *records[T]) layout(ctx context.Context, s dmap.Split) (l dmap.Layout, err error) {
	if err := r.owns(s); err != nil {
		return l, err
	}
	object, err := r.pin(ctx)
	if err != nil {
		return l, err
	}
	l.Version = version(object)
	if r.header != nil {
		if l.Header, err = r.header(ctx, object); err != nil {
			return l, err
		}
	}
	if s.From.Offset > 0 && r.lines && !r.looksInto(object.Key) {
		l.From, err = linesFrom(ctx, object, s.From)
	}
	return l, err // of any other format only a reading from the start knows where records begin
}
