package source

import (
	"errors"
	"fmt"
)

// Dialect is how the fields of a CSV row are quoted and escaped.
type Dialect int

const (
	// RFC4180: a field with a delimiter, a line end or a quote in it stands in quotes, and each of
	// its quotes is doubled. A backslash is a character like any other.
	RFC4180 Dialect = iota
	// StepFunctionsCSV is what Step Functions reads: besides, a doubled quote is a quote in fields
	// without quotes too, and a backslash makes the backslash, quote or delimiter after it a
	// character of the field, in quotes and without. Before any other character a backslash is
	// dropped. An object is read by one reader.
	StepFunctionsCSV
)

func (d Dialect) check(delimiter byte) error {
	switch {
	case d < RFC4180 || d > StepFunctionsCSV:
		return fmt.Errorf("Dialect %d is unknown", d)
	case d == StepFunctionsCSV && delimiter == '\\':
		return errors.New("the Delimiter is a backslash, with which StepFunctionsCSV escapes")
	}
	return nil
}
