package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/record"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// outcome is the outcome of one item, and the reason why it cannot run again, if there is one.
type outcome struct {
	Outcome
	err     error // its input is unknown
	garbled bool  // the record is not readable: only err is known
}

var errNoInput = errors.New("the record has no input: the run kept none (InputsNone)")

// ownOutcome reads a record that dmap has written.
func ownOutcome(line []byte, failed bool) (o outcome, err error) {
	r, err := runfolder.DecodeRecord(line)
	if err != nil {
		return o, fmt.Errorf("json%s: %w", jsonPosition(err), err)
	}
	o.Outcome = Outcome{Key: r.Key, Offset: r.Offset, Attempts: r.Attempts, Class: r.Class, Error: r.Error, Input: r.Input}
	switch {
	case r.Attempts == 0 && (failed || r.Class != ""): // its Input is a zero value
		o.err = &pastError{class: r.Class, text: r.Error}
	case r.InputError != "":
		o.err = fmt.Errorf("the record has no input that can be used: %s", r.InputError)
	case r.Input == nil:
		o.err = errNoInput
	}
	return o, nil
}

// located is err with the position of the record, unless err names one already.
func (o *outcome) located(in *partReader) error {
	if _, past := guarded.As[*pastError](o.err); past {
		return o.err
	}
	return in.located(o.err)
}

// pastError is the reason why the earlier run could not read the item.
type pastError struct{ class, text string }

func (e *pastError) Error() string { return "not read in the earlier run: " + e.text }

// Class is the class in the earlier run.
func (e *pastError) Class() string { return e.class }

// childRecord is the record of a child execution of Step Functions.
type childRecord struct {
	Name, Status, Error, Cause string
	Input                      json.RawMessage // JSON text in a string
}

// outcomes are those of one record: one, or those of the items of a batch, which are held as text.
type outcomes struct {
	outcome
	batch []byte        // the JSON array of the items; nil: there is no batch
	items *record.Array // finds the items of batch
	n     int64         // of the batch
}

func (o *outcomes) len() int64 {
	if o.batch == nil {
		return 1
	}
	return o.n
}

// at is outcome i. The caller asks for each of a batch once, in order.
func (o *outcomes) at(i int64) (one outcome) {
	one = o.outcome
	if o.batch == nil {
		return one
	}
	one.Offset = i
	if one.err = o.items.Next(); one.err == nil {
		one.Input = json.RawMessage(o.batch[o.items.Offset():o.items.End()])
	}
	return one
}

// skip passes over the next n outcomes of a batch.
func (o *outcomes) skip(n int64) {
	for ; o.batch != nil && n > 0; n-- {
		_ = o.items.Next() // they were counted without a fault
	}
}

// childOutcomes reads a record that Step Functions has written: one item, or with open those of its
// batch. fallback names a child without a name.
func childOutcomes(text []byte, fallback string, open bool) (o outcomes, err error) {
	var r childRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return o, fmt.Errorf("json%s: %w", jsonPosition(err), err)
	}
	o.Outcome = Outcome{
		Key: cmp.Or(r.Name, fallback), Offset: dmap.WholeObject,
		Class: r.Error, Error: r.Cause, Status: r.Status,
	}
	if r.Error != "" || r.Cause != "" {
		o.Attempts = 1
	}
	input, err := childInput(r.Input)
	if err != nil {
		o.err = err
		return o, nil
	}
	o.Input = input
	if !open {
		return o, nil
	}
	o.batch = batchItems(input)
	if o.batch == nil {
		return o, nil
	}
	o.Input = nil
	o.n, err = countItems(itemsOf(o.batch))
	o.items = itemsOf(o.batch)
	return o, err
}

// itemsOf finds the items of a batch without decoding them.
func itemsOf(batch []byte) *record.Array {
	return record.NewArray(bytes.NewReader(batch), 0, int64(len(batch)), len(batch))
}

// countItems reads a batch to its end: a fault in it is that of all its items.
func countItems(items *record.Array) (n int64, err error) {
	for ; ; n++ {
		switch err := items.Next(); {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return 0, fmt.Errorf("items of the batch: %w", err)
		case n == maxBatch:
			return 0, fmt.Errorf("a batch of more than %d items: no more can be distinguished", maxBatch)
		}
	}
}

// childInput decodes the JSON text in a string.
func childInput(field json.RawMessage) (json.RawMessage, error) {
	if len(field) == 0 || bytes.Equal(field, []byte("null")) {
		return nil, errNoInput
	}
	if field[0] != '"' {
		return field, nil // emulators write the value itself
	}
	var text string
	if err := json.Unmarshal(field, &text); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if text == "" {
		return nil, errNoInput
	}
	return json.RawMessage(text), nil
}

// batchItems returns the items of the input that an ItemBatcher makes: Items, BatchInput or not,
// and nothing else; nil for any other input.
func batchItems(input json.RawMessage) []byte {
	if !bytes.Contains(input, []byte(`"Items"`)) {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(input, &fields) != nil {
		return nil
	}
	list := bytes.TrimSpace(fields["Items"])
	delete(fields, "Items")
	delete(fields, "BatchInput")
	if len(list) == 0 || list[0] != '[' || len(fields) > 0 {
		return nil
	}
	return list
}
