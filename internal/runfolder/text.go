package runfolder

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"
)

// JSON holds text, but keys of objects may be any bytes. Where a field is not valid UTF-8 its twin
// with the suffix Base64 holds the bytes, and the field itself has U+FFFD in their places.

// base64Of is the twin of text, empty if text is valid UTF-8.
func base64Of(text string) string {
	if utf8.ValidString(text) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// twin is a field and its twin.
type twin struct{ text, encoded *string }

// encode sets the twins where they are needed.
func encode(fields ...twin) {
	for _, f := range fields {
		*f.encoded = base64Of(*f.text)
	}
}

// decode restores the bytes of fields that have a twin, and empties the twins.
func decode(fields ...twin) error {
	for _, f := range fields {
		if *f.encoded == "" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(*f.encoded)
		if err != nil {
			return fmt.Errorf("base64 %q: %w", *f.encoded, err)
		}
		*f.text, *f.encoded = string(raw), ""
	}
	return nil
}
