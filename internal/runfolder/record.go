package runfolder

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// WholeObject is the offset of an item that is an object.
const WholeObject = -1

// Item is the head of every record but those of the forms COMPACT and FLATTEN: which item the
// record is about, and, in FAILED and PENDING records, where to read it again.
type Item struct {
	ID            string  `json:"id"`
	Key           string  `json:"key"`
	KeyBase64     string  `json:"keyBase64,omitempty"`
	Offset        int64   `json:"offset"`
	Split         string  `json:"split,omitempty"`
	SplitBase64   string  `json:"splitBase64,omitempty"`
	Version       string  `json:"version,omitempty"`
	VersionBase64 string  `json:"versionBase64,omitempty"`
	Start         Cursor  `json:"start,omitzero"`
	Next          Cursor  `json:"next,omitzero"`
	From          *Cursor `json:"from,omitempty"`
	Header        string  `json:"header,omitempty"`
	Index         int64   `json:"index"`
	Attempts      int     `json:"attempts"`
	Holds         int     `json:"holds,omitempty"`
}

// Record is a line of a part.
type Record struct {
	Item
	Elapsed    int64           `json:"elapsed,omitempty"`
	Class      string          `json:"class,omitempty"`
	Error      string          `json:"error,omitempty"`
	Stack      string          `json:"stack,omitempty"`
	At         time.Time       `json:"at,omitzero"`
	Input      json.RawMessage `json:"input,omitempty"`
	InputError string          `json:"inputError,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`

	InputRaw          string `json:"inputRaw,omitempty"`
	InputRawBase64    string `json:"inputRawBase64,omitempty"`
	InputRawTruncated bool   `json:"inputRawTruncated,omitempty"`

	Reason   string   `json:"reason,omitempty"`
	Decision *Decided `json:"decision,omitempty"`
}

// Decided is a decision about a held item in the list of a release.
type Decided struct {
	Approved bool      `json:"approved"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at"`
	Note     string    `json:"note,omitempty"`
}

// ItemID names an item: the key, and for a record of an object "@" and the offset.
func ItemID(key string, offset int64) string {
	if offset == WholeObject {
		return key
	}
	return key + "@" + strconv.FormatInt(offset, 10)
}

// AppendItem appends the head of a record: "{", and the fields of it. The ID and the Base64 fields
// follow from the others. The caller appends other fields, each with its comma, and "}".
func AppendItem(dst []byte, it *Item) []byte {
	dst = append(dst, `{"id":`...)
	start := len(dst)
	dst, valid := appendQuoted(dst, it.Key)
	key := dst[start : len(dst)-1] // without the closing quote
	if it.Offset != WholeObject {
		dst = append(dst[:len(dst)-1], '@')
		dst = append(strconv.AppendInt(dst, it.Offset, 10), '"')
	}
	dst = append(append(append(dst, `,"key":`...), key...), '"')
	if !valid {
		dst = appendBase64(dst, `,"keyBase64":"`, it.Key)
	}
	dst = strconv.AppendInt(append(dst, `,"offset":`...), it.Offset, 10)
	if it.Split != "" {
		dst = appendText(append(dst, `,"split":`...), `,"splitBase64":"`, it.Split)
	}
	if it.Version != "" {
		dst = appendText(append(dst, `,"version":`...), `,"versionBase64":"`, it.Version)
	}
	dst = appendCursor(dst, `,"start":`, &it.Start)
	dst = appendCursor(dst, `,"next":`, &it.Next)
	if it.From != nil {
		dst = appendCursorText(append(dst, `,"from":`...), it.From)
	}
	if it.Header != "" {
		dst = AppendString(append(dst, `,"header":`...), it.Header)
	}
	dst = strconv.AppendInt(append(dst, `,"index":`...), it.Index, 10)
	dst = strconv.AppendInt(append(dst, `,"attempts":`...), int64(it.Attempts), 10)
	if it.Holds > 0 {
		dst = strconv.AppendInt(append(dst, `,"holds":`...), int64(it.Holds), 10)
	}
	return dst
}

// appendText appends text, and its twin if it needs one.
func appendText(dst []byte, twin, text string) []byte {
	dst, valid := appendQuoted(dst, text)
	if valid {
		return dst
	}
	return appendBase64(dst, twin, text)
}

func appendBase64(dst []byte, field, text string) []byte {
	return append(append(append(dst, field...), base64Of(text)...), '"')
}

func appendCursor(dst []byte, field string, c *Cursor) []byte {
	if c.Key == "" && c.Offset == 0 {
		return dst
	}
	return appendCursorText(append(dst, field...), c)
}

func appendCursorText(dst []byte, c *Cursor) []byte {
	dst = append(dst, '{')
	if c.Key != "" {
		dst = appendText(append(dst, `"key":`...), `,"keyBase64":"`, c.Key)
		if c.Offset != 0 {
			dst = append(dst, ',')
		}
	}
	if c.Offset != 0 {
		dst = strconv.AppendInt(append(dst, `"offset":`...), c.Offset, 10)
	}
	return append(dst, '}')
}

// AppendElapsed appends the duration of the last call in nanoseconds.
func AppendElapsed(dst []byte, ns int64) []byte {
	return strconv.AppendInt(append(dst, `,"elapsed":`...), ns, 10)
}

// AppendError appends the class and the text of an error, and the stack of a panic unless it is
// empty.
func AppendError(dst []byte, class, text, stack string) []byte {
	dst = AppendString(append(dst, `,"class":`...), class)
	dst = AppendString(append(dst, `,"error":`...), text)
	if stack != "" {
		dst = AppendString(append(dst, `,"stack":`...), stack)
	}
	return dst
}

// AppendAt appends when the item failed.
func AppendAt(dst []byte, at time.Time) []byte {
	dst = append(dst, `,"at":"`...)
	return append(Time(at).AppendFormat(dst, time.RFC3339Nano), '"')
}

// AppendReason appends why an item is held.
func AppendReason(dst []byte, reason string) []byte {
	return AppendString(append(dst, `,"reason":`...), reason)
}

// AppendDecided appends the decision about an item that was held.
func AppendDecided(dst []byte, d *Decided) []byte {
	dst = strconv.AppendBool(append(dst, `,"decision":{"approved":`...), d.Approved)
	if d.By != "" {
		dst = AppendString(append(dst, `,"by":`...), d.By)
	}
	dst = append(dst, `,"at":"`...)
	dst = append(Time(d.At).AppendFormat(dst, time.RFC3339Nano), '"')
	if d.Note != "" {
		dst = AppendString(append(dst, `,"note":`...), d.Note)
	}
	return append(dst, '}')
}

// AppendInputError appends why the record has no input.
func AppendInputError(dst []byte, text string) []byte {
	return AppendString(append(dst, `,"inputError":`...), text)
}

// AppendRawInput appends the bytes of an item that could not be read.
func AppendRawInput(dst, raw []byte, truncated bool) []byte {
	dst = appendText(append(dst, `,"inputRaw":`...), `,"inputRawBase64":"`, string(raw))
	if truncated {
		dst = append(dst, `,"inputRawTruncated":true`...)
	}
	return dst
}

// What precedes the JSON of an input and of an output.
const (
	InputField  = `,"input":`
	OutputField = `,"output":`
)

// DecodeRecord reads and checks a line of a part that has an Item.
func DecodeRecord(line []byte) (*Record, error) {
	r := new(Record)
	if err := json.Unmarshal(line, r); err != nil {
		return nil, err
	}
	return r, errors.Join(r.Check(), decode(twin{&r.InputRaw, &r.InputRawBase64}))
}

// Check checks the head of a record that was decoded from JSON, and restores texts that are not
// valid UTF-8.
func (it *Item) Check() error {
	if it.ID == "" || it.Offset < WholeObject {
		return errors.New("record of no item: id or offset is missing")
	}
	if it.Attempts < 0 || it.Index < 0 || it.Holds < 0 {
		return fmt.Errorf("record of item %q: attempts %d, index %d, holds %d", it.ID, it.Attempts, it.Index, it.Holds)
	}
	if id := ItemID(it.Key, it.Offset); id != it.ID {
		return fmt.Errorf("record of item %q: key %q and offset %d are of another", it.ID, it.Key, it.Offset)
	}
	texts := []twin{
		{&it.Key, &it.KeyBase64}, {&it.Split, &it.SplitBase64}, {&it.Version, &it.VersionBase64},
		{&it.Start.Key, &it.Start.KeyBase64}, {&it.Next.Key, &it.Next.KeyBase64},
	}
	if it.From != nil {
		texts = append(texts, it.From.fields()...)
	}
	err := decode(texts...)
	it.ID = ItemID(it.Key, it.Offset)
	return err
}
