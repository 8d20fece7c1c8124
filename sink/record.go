package sink

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// encoder turns results into records. The envelope is appended by hand; only values go through
// encoding/json. It belongs to one Write at a time and is reused.
type encoder struct {
	records Records
	inputs  Inputs
	rules   *errtext.Rules      // for texts of errors
	redact  func(value any) any // dmap.Redact.Input, nil: none
	beyond  bool                // lent beyond the number of encoders

	chunks [runfolder.Kinds]chunk
	failed []failgroup.Failure // of the FAILED records in chunks
	values *json.Encoder
	dst    []byte // where values writes

	noInput error // why the input of the record is left out; nil: it is not
	watch   watch // of values whose methods a user wrote
	own     any   // memory for such an output
}

// keepBytes is the largest buffer that an encoder keeps between calls.
const keepBytes = 256 << 10

func newEncoder(opts BucketOptions, redact dmap.Redact) *encoder {
	e := &encoder{records: opts.Records, inputs: opts.Inputs, rules: textRules(opts, redact), redact: redact.Input}
	e.values = e.newValues()
	return e
}

func (e *encoder) newValues() *json.Encoder {
	values := json.NewEncoder(e)
	values.SetEscapeHTML(false)
	return values
}

// Write receives what e.values writes: one whole value at a time.
func (e *encoder) Write(p []byte) (int, error) {
	e.dst = append(e.dst, p...)
	return len(p), nil
}

// size is the number of bytes encoded since the last reset.
func (e *encoder) size() (n int) {
	for i := range e.chunks {
		n += len(e.chunks[i].buf)
	}
	return n
}

func (e *encoder) reset() {
	for i := range e.chunks {
		e.chunks[i].reset(keepBytes)
	}
	e.noInput = nil
	e.watch.stop()
}

// encode appends the record of r. The error is that of an output that has no JSON form, which has
// no record then.
func encode[R any](e *encoder, r *dmap.Result[R]) error {
	if r.Err == nil {
		if err := e.output(&r.Info, r.Elapsed, r.Input, ownValue(e, &r.Value)); err != nil {
			return &encodeError{err}
		}
		return nil
	}
	item := itemOf(&r.Info)
	if r.At != nil {
		place(&item, r.At)
	}
	if hold := holdOf(r.Err); hold != nil {
		e.held(&r.Info, &item, r.Elapsed, r.Input, hold)
		return nil
	}
	e.failure(&r.Info, &item, r.Elapsed, r.Input, r.Err)
	return nil
}

// itemOf is the head of the record of an item.
func itemOf(info *dmap.Info) runfolder.Item {
	return runfolder.Item{Key: info.Key, Offset: info.Offset, Split: info.Split, Index: info.Index, Attempts: info.Attempt, Holds: holdsBefore(info)}
}

// place says in the head of a record where the item is read again.
func place(item *runfolder.Item, at *dmap.Position) {
	item.Version, item.Start, item.Next = at.Version, convert.StoredCursor(at.Start), convert.StoredCursor(at.Next)
	if at.From != nil {
		from := convert.StoredCursor(*at.From)
		item.From, item.Header = &from, at.Header
	}
}

// resultChunks counts results without encoding them.
func resultChunks[R any](results []dmap.Result[R]) *[runfolder.Kinds]chunk {
	var chunks [runfolder.Kinds]chunk
	for i := range results {
		r := &results[i]
		l := runfolder.Succeeded
		switch {
		case holdOf(r.Err) != nil:
			l = runfolder.Held
		case r.Err != nil:
			l = runfolder.Failed
		}
		chunks[l].addRecord(&r.Info)
	}
	return &chunks
}

// output appends a SUCCEEDED record, or nothing and an error.
func (e *encoder) output(info *dmap.Info, elapsed time.Duration, input, output any) error {
	if e.records == FailuresOnly {
		return nil
	}
	c := &e.chunks[runfolder.Succeeded]
	start := len(c.buf)
	buf := c.buf
	if e.records == Full {
		item := itemOf(info)
		buf = runfolder.AppendItem(buf, &item)
		buf = runfolder.AppendElapsed(buf, elapsed.Nanoseconds())
		if e.inputs == InputsAll {
			buf = e.appendInput(buf, e.ownInput(input))
		}
		buf = appendDecision(buf, info)
		buf = append(buf, runfolder.OutputField...)
	}
	at := len(buf)
	buf, err := e.appendValue(buf, output, anOutput)
	if err != nil {
		c.buf = buf[:start]
		return err
	}
	switch {
	case e.records == Full:
		buf = append(buf, '}')
	case e.records == Flatten && buf[at] == '[':
		c.buf = buf[:start] // start equals at: each element is written at or before the place where it is read
		elements(buf[at:], func(element []byte) {
			c.buf = append(append(c.buf, element...), '\n')
			c.addRecord(info)
		})
		return nil
	}
	c.buf = append(buf, '\n')
	c.addRecord(info)
	return nil
}

// failure appends a FAILED record.
func (e *encoder) failure(info *dmap.Info, item *runfolder.Item, elapsed time.Duration, input any, err error) {
	c := &e.chunks[runfolder.Failed]
	buf := runfolder.AppendItem(c.buf, item)
	buf = runfolder.AppendElapsed(buf, elapsed.Nanoseconds())
	class, text, now := errorClass(err), e.rules.Text(err, info.Key, maxErrorText), runfolder.Time(time.Now())
	buf = runfolder.AppendAt(runfolder.AppendError(buf, class, text, panicStack(err)), now)
	buf = appendDecision(buf, info)
	c.buf = append(e.appendKeptInput(buf, info, input, err), "}\n"...)
	c.addRecord(info)
	e.failed = append(e.failed, failgroup.Failure{
		Class: class, Text: text, Key: info.Key, ID: info.ID(), Attempts: info.Attempt, At: now,
	})
}

// pending appends a PENDING record.
func (e *encoder) pending(p *dmap.Pending) {
	c := &e.chunks[runfolder.Pending]
	item := itemOf(&p.Info)
	place(&item, &p.At)
	buf := runfolder.AppendItem(c.buf, &item)
	if p.Err != nil {
		buf = runfolder.AppendError(buf, errorClass(p.Err), e.rules.Text(p.Err, p.Key, maxErrorText), "")
	}
	buf = appendDecision(buf, &p.Info)
	c.buf = append(e.appendKeptInput(buf, &p.Info, p.Input, p.Err), "}\n"...)
	c.addRecord(&p.Info)
}

// appendKeptInput is appendInput for FAILED and PENDING records. An item that could not be read has
// no input, only a zero value: its raw bytes are appended, if its error has them.
func (e *encoder) appendKeptInput(dst []byte, info *dmap.Info, input any, err error) []byte {
	switch unread, ok := err.(*dmap.ReadError); { //nolint:errorlint // the engine wraps it in nothing
	case e.inputs == InputsNone:
		return dst
	case ok && info.Attempt == 0:
		if raw, truncated := rawInput(unread.Err); len(raw) > 0 {
			return runfolder.AppendRawInput(dst, raw, truncated)
		}
		return dst
	}
	start, input := len(dst), e.ownInput(input)
	dst = e.appendInput(dst, input)
	if e.redact != nil {
		return dst
	}
	if text, ok := bytes.CutPrefix(dst[start:], []byte(runfolder.InputField)); ok {
		if err := exact(text, input); err != nil {
			dst = runfolder.AppendInputError(dst, errorText(err)) // the input remains, for people
		}
	}
	return dst
}

// exact is checkExact; it is errInexact if one of the value's methods panics, ends its goroutine or
// does not return.
func exact(text []byte, input any) error {
	if plainInput(input) {
		return checkExact(text, input)
	}
	text = bytes.Clone(text) // a method that does not return keeps it
	err, how := guard.Call(func() error { return checkExact(text, input) })
	if how != "" {
		return errInexact
	}
	return err
}

// appendInput appends the item's value, or why it could not be written.
func (e *encoder) appendInput(dst []byte, input any) []byte {
	start := len(dst)
	if e.noInput != nil {
		return runfolder.AppendInputError(dst, e.noInput.Error())
	}
	if e.redact != nil {
		return e.appendRedacted(dst, input)
	}
	dst, err := e.appendValue(append(dst, runfolder.InputField...), input, anInput)
	if err != nil {
		return runfolder.AppendInputError(dst[:start], errorText(err))
	}
	return dst
}

// appendRedacted appends what Redact.Input returns for the item's value, marked as another value.
func (e *encoder) appendRedacted(dst []byte, input any) []byte {
	shown, how := guard.Call(func() any { return e.redact(input) })
	if how != "" {
		return runfolder.AppendInputError(dst, "hidden: Redact.Input "+string(how))
	}
	start := len(dst)
	dst, err := e.appendValue(append(dst, runfolder.InputField...), shown, anInput)
	if err != nil {
		return runfolder.AppendInputError(dst[:start], "hidden: what Redact.Input returned cannot be encoded")
	}
	return runfolder.AppendInputError(dst, "redacted: the input is what Redact.Input returned")
}

// appendValue appends v as JSON without a newline. On an error, which a panic of v's methods
// becomes too, it returns dst. If a method ends the goroutine, e.watch says which value it was.
func (e *encoder) appendValue(dst []byte, v any, is valueKind) (out []byte, err error) {
	e.dst = dst
	complete := false
	defer func() {
		e.dst = nil
		if !complete {
			e.values = e.newValues()
		}
		if p := recover(); p != nil {
			e.watch.end()
			out, err = dst, &valuePanic{v, p}
		}
	}()
	e.watch.begin(is)
	err = e.values.Encode(v)
	complete = true
	e.watch.end()
	if err != nil {
		return dst, err
	}
	return e.dst[:len(e.dst)-1], nil
}

// held appends a HELD record.
func (e *encoder) held(info *dmap.Info, item *runfolder.Item, elapsed time.Duration, input any, hold *dmap.HoldError) {
	c := &e.chunks[runfolder.Held]
	item.Holds = hold.Holds()
	buf := runfolder.AppendItem(c.buf, item)
	buf = runfolder.AppendElapsed(buf, elapsed.Nanoseconds())
	buf = runfolder.AppendReason(buf, e.rules.Text(&heldReason{hold.Reason}, info.Key, maxErrorText))
	if d := info.Decision; d != nil { // about the hold before
		buf = runfolder.AppendDecided(buf, storedDecision(d))
	}
	c.buf = append(e.appendKeptInput(buf, info, input, nil), "}\n"...)
	c.addRecord(info)
}

// Methods that do not return still have their value, and the engine uses the memory of results
// again. So these values are copied.

// ownValue returns a pointer to the output, or to a copy in memory of e.
func ownValue[R any](e *encoder, value *R) *R {
	if !e.watch.on {
		return value
	}
	own, _ := e.own.(*R)
	if own == nil {
		own = new(R)
		e.own = own
	}
	*own = *value
	return own
}

// ownInput returns the input, or a copy.
func (e *encoder) ownInput(input any) any {
	if !e.watch.on || plainInput(input) && e.redact == nil {
		return input
	}
	return copied(input)
}

// copied returns a pointer to a copy of the value that input points to.
func copied(input any) any {
	v := reflect.ValueOf(input)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return input
	}
	own := reflect.New(v.Type().Elem())
	own.Elem().Set(v.Elem())
	return own.Interface()
}

// plainInput reports whether JSON calls no method of a user for an input.
func plainInput(input any) bool { return guard.PlainJSON(reflect.TypeOf(input)) }
