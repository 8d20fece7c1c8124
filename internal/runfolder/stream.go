package runfolder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Records are decoded element by element, and each element is checked before the next one: a file
// of 64 MiB that holds 20 million empty objects would otherwise take gigabytes before its first
// check.

// stream decodes one JSON value.
type stream struct {
	ctx  context.Context //nolint:containedctx // it lives as long as the decoding; nil: none
	json *json.Decoder
	n    int // elements of lists so far
}

func newStream(ctx context.Context, content []byte) *stream {
	return &stream{ctx: ctx, json: json.NewDecoder(bytes.NewReader(content))}
}

// maxOther is how many bytes a field that is no list may have. A larger one is ignored, as an
// unknown field is.
const maxOther = 1 << 20

// decodeObject decodes the object that content is into v. lists decode the fields that hold lists.
// Any other field is decoded by encoding/json, and is small.
func decodeObject(ctx context.Context, content []byte, v any, lists map[string]func(*stream) error) error {
	s := newStream(ctx, content)
	err := s.object(v, lists)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return json.Unmarshal(content, &struct{}{}) // which says where
	case err != nil:
		return err
	}
	if _, err := s.json.Token(); err != io.EOF {
		return errors.New("text follows the end of the JSON value")
	}
	return nil
}

// object is decodeObject for the next value.
func (s *stream) object(v any, lists map[string]func(*stream) error) error {
	switch open, err := s.open('{'); {
	case err != nil:
		return err
	case !open: // null
		return nil
	}
	rest := []byte{'{'}
	for s.json.More() {
		token, err := s.json.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if list := lists[name]; list != nil {
			if err := list(s); err != nil {
				return err
			}
			continue
		}
		var raw json.RawMessage
		if err := s.json.Decode(&raw); err != nil {
			return err
		}
		if len(rest)+len(raw) > maxOther {
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(AppendString(rest, name), ':'), raw...)
	}
	if _, err := s.json.Token(); err != nil {
		return err
	}
	return json.Unmarshal(append(rest, '}'), v)
}

// open begins an object or a list. It returns false for null.
func (s *stream) open(delim json.Delim) (bool, error) {
	token, err := s.json.Token()
	switch {
	case err != nil:
		return false, err
	case token == nil:
		return false, nil
	case token != delim:
		return false, fmt.Errorf("json: cannot unmarshal %.20v, want %v", token, delim)
	}
	return true, nil
}

// elements calls begin unless the list is null, and each for every element, of which it must decode
// one value.
func (s *stream) elements(begin func(), each func(i int) error) error {
	switch open, err := s.open('['); {
	case err != nil:
		return err
	case !open:
		return nil
	}
	begin()
	for i := 0; s.json.More(); i++ {
		if s.n++; s.n%1024 == 0 && s.ctx != nil && s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		if err := each(i); err != nil {
			return err
		}
	}
	_, err := s.json.Token()
	return err
}

// listOf decodes a list of at most most elements, each of which is a what, into out. check sees
// each element, and the ones before it, before the next is decoded; it also restores texts that are
// not UTF-8.
func listOf[T any](out *[]T, most int, what string, check func(before []T, v *T) error) func(*stream) error {
	return func(s *stream) error {
		*out = nil
		return s.elements(func() { *out = []T{} }, func(i int) error {
			if i >= most {
				return fmt.Errorf("more than %d %ss", most, what)
			}
			var v T
			if err := s.json.Decode(&v); err != nil {
				return fmt.Errorf("%s %d: %w", what, i, err)
			}
			if err := check(*out, &v); err != nil {
				return fmt.Errorf("%s %d: %w", what, i, err)
			}
			*out = append(*out, v)
			return nil
		})
	}
}

// maxElements is more elements than a list in a file of MaxCommit bytes has, maxStates more than
// there are commits in a record of that size.
const (
	maxElements = 8_000_000
	maxStates   = 4 << 20
)

// decodedInterval checks an interval of a list that is in order.
func decodedInterval(before []Interval, v *Interval) error {
	if err := decode(v.fields()...); err != nil {
		return err
	}
	if n := len(before); n > 0 && !before[n-1].precedes(v) {
		return fmt.Errorf("split %q from %v overlaps split %q from %v, or is out of order", v.Split, v.From, before[n-1].Split, before[n-1].From)
	}
	return v.check()
}

func decodedSplit(_ []Split, s *Split) error {
	if err := decode(s.fields()...); err != nil {
		return err
	}
	return s.check()
}

func decodedPrefix(_ []Prefix, p *Prefix) error {
	if err := decode(twin{&p.Split, &p.SplitBase64}); err != nil {
		return err
	}
	if p.Split == "" {
		return errors.New("the split has no ID")
	}
	return nil // their order is checked with all of them
}

func decodedAttempt(_ []Attempt, a *Attempt) error {
	one := []Attempt{*a}
	err := decode(attemptFields(one)...)
	*a = one[0]
	return errors.Join(err, a.Item.check())
}

// decodedPart checks what any part of any writer has.
func decodedPart(_ []Part, p *Part) error {
	if p.Key == "" || p.Size < 0 || p.Records < 0 {
		return fmt.Errorf("part %q: size %d, records %d", p.Key, p.Size, p.Records)
	}
	return nil
}

func decodedName(_ []string, name *string) error {
	if *name == "" {
		return errors.New("a name is empty")
	}
	return nil
}
