package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
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

// childOutcomes reads a record that Step Functions has written: one item, or with open those of its
// batch. fallback names a child without a name.
func childOutcomes(text []byte, fallback string, open bool) ([]outcome, error) {
	var r childRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("json%s: %w", jsonPosition(err), err)
	}
	o := outcome{Outcome: Outcome{
		Key: cmp.Or(r.Name, fallback), Offset: dmap.WholeObject,
		Class: r.Error, Error: r.Cause, Status: r.Status,
	}}
	if r.Error != "" || r.Cause != "" {
		o.Attempts = 1
	}
	input, err := childInput(r.Input)
	if err != nil {
		o.err = err
		return []outcome{o}, nil
	}
	o.Input = input
	items, batched := batchItems(input)
	if !batched || !open {
		return []outcome{o}, nil
	}
	if len(items) > maxBatch {
		return nil, fmt.Errorf("a batch of %d items: at most %d can be distinguished", len(items), maxBatch)
	}
	all := make([]outcome, len(items))
	for i, item := range items {
		all[i] = o
		all[i].Input, all[i].Offset = item, int64(i)
	}
	return all, nil
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
// and nothing else.
func batchItems(input json.RawMessage) (items []json.RawMessage, ok bool) {
	if !bytes.Contains(input, []byte(`"Items"`)) {
		return nil, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(input, &fields) != nil {
		return nil, false
	}
	list, ok := fields["Items"]
	delete(fields, "Items")
	delete(fields, "BatchInput")
	if !ok || len(fields) > 0 || json.Unmarshal(list, &items) != nil || items == nil {
		return nil, false
	}
	return items, true
}
