package sink

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/go-dmap/dmap/dmap"
)

// encoder turns results into records. The envelope is appended by hand; only values go through encoding/json. It belongs
// to one Write at a time and is reused.
type encoder struct {
	records Records
	inputs  Inputs
	beyond  bool // lent beyond the number of encoders

	chunks [lanes]chunk
	values *json.Encoder
	dst    []byte // where values writes
}

// keepBytes is the largest buffer that an encoder keeps between calls.
const keepBytes = 256 << 10

func newEncoder(opts BucketOptions) *encoder {
	e := &encoder{records: opts.Records, inputs: opts.Inputs}
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
}

// encode appends the record of r. The error is that of an output that has no JSON form, whose record says FAILED.
func encode[R any](e *encoder, r *dmap.Result[R]) error {
	if r.Err != nil {
		e.failure(r.Info, r.Elapsed.Nanoseconds(), r.Input, r.Err)
		return nil
	}
	if err := e.output(r.Info, r.Elapsed.Nanoseconds(), r.Input, &r.Value); err != nil {
		err = &encodeError{err}
		e.failure(r.Info, r.Elapsed.Nanoseconds(), r.Input, err)
		return err
	}
	return nil
}

// resultChunks counts results without encoding them.
func resultChunks[R any](results []dmap.Result[R]) *[lanes]chunk {
	var chunks [lanes]chunk
	for _, r := range results {
		l := succeeded
		if r.Err != nil {
			l = failed
		}
		chunks[l].count(r.Info)
	}
	return &chunks
}

// output appends a SUCCEEDED record, or nothing and an error.
func (e *encoder) output(info dmap.Info, elapsed int64, input, output any) error {
	if e.records == FailuresOnly {
		return nil
	}
	c := &e.chunks[succeeded]
	start := len(c.buf)
	buf := c.buf
	if e.records == Full {
		buf = appendIdentity(buf, info)
		buf = strconv.AppendInt(append(buf, `,"elapsed":`...), elapsed, 10)
		if e.inputs == InputsAll {
			buf = e.appendInput(buf, input)
		}
		buf = append(buf, `,"output":`...)
	}
	at := len(buf)
	buf, err := e.appendValue(buf, output)
	if err != nil {
		c.buf = buf[:start]
		return err
	}
	switch {
	case e.records == Full:
		buf = append(buf, '}')
	case e.records == Flatten && buf[at] == '[':
		c.buf = buf[:start] // start is at: what is written here stays behind what is read there
		elements(buf[at:], func(element []byte) {
			c.buf = append(append(c.buf, element...), '\n')
			c.count(info)
		})
		return nil
	}
	c.buf = append(buf, '\n')
	c.count(info)
	return nil
}

// failure appends a FAILED record.
func (e *encoder) failure(info dmap.Info, elapsed int64, input any, err error) {
	c := &e.chunks[failed]
	buf := appendIdentity(c.buf, info)
	buf = strconv.AppendInt(append(buf, `,"elapsed":`...), elapsed, 10)
	buf = e.appendError(buf, err)
	if stack := panicStack(err); stack != "" {
		buf = appendString(append(buf, `,"stack":`...), stack)
	}
	if e.inputs != InputsNone {
		buf = e.appendInput(buf, input)
	}
	c.buf = append(buf, "}\n"...)
	c.count(info)
}

// unsettled appends a PENDING record.
func (e *encoder) unsettled(p dmap.Pending) {
	c := &e.chunks[pending]
	buf := appendIdentity(c.buf, p.Info)
	if p.Err != nil {
		buf = e.appendError(buf, p.Err)
	}
	if e.inputs != InputsNone {
		buf = e.appendInput(buf, p.Input)
	}
	c.buf = append(buf, "}\n"...)
	c.count(p.Info)
}

// appendIdentity appends the start of a record, up to and without the comma before the next field.
func appendIdentity(dst []byte, info dmap.Info) []byte {
	dst = append(dst, `{"id":`...)
	id := len(dst)
	dst = appendString(dst, info.Key)
	key := dst[id:]
	if info.Offset != dmap.WholeObject {
		dst = append(dst[:len(dst)-1], '@')
		dst = append(strconv.AppendInt(dst, info.Offset, 10), '"')
		key = dst[id : id+len(key)-1]
	}
	dst = append(append(dst, `,"key":`...), key...)
	if info.Offset != dmap.WholeObject {
		dst = append(dst, '"')
	}
	dst = strconv.AppendInt(append(dst, `,"offset":`...), info.Offset, 10)
	if info.Split != "" {
		dst = appendString(append(dst, `,"split":`...), info.Split)
	}
	dst = strconv.AppendInt(append(dst, `,"index":`...), info.Index, 10)
	return strconv.AppendInt(append(dst, `,"attempts":`...), int64(info.Attempt), 10)
}

func (e *encoder) appendError(dst []byte, err error) []byte {
	dst = appendString(append(dst, `,"class":`...), errorClass(err))
	return appendString(append(dst, `,"error":`...), errorText(err))
}

// appendInput appends the item's value, or why it could not be written.
func (e *encoder) appendInput(dst []byte, input any) []byte {
	start := len(dst)
	dst, err := e.appendValue(append(dst, `,"input":`...), input)
	if err != nil {
		return appendString(append(dst[:start], `,"inputError":`...), errorText(err))
	}
	return dst
}

// appendValue appends v as JSON without a newline. On an error, which a panic of v's methods becomes too,
// it returns dst.
func (e *encoder) appendValue(dst []byte, v any) (out []byte, err error) {
	e.dst = dst
	defer func() {
		e.dst = nil
		if p := recover(); p != nil {
			e.values = e.newValues()
			out, err = dst, fmt.Errorf("panic in %T: %v", v, p)
		}
	}()
	if err := e.values.Encode(v); err != nil {
		return dst, err
	}
	return e.dst[:len(e.dst)-1], nil
}
