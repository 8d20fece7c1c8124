package source

import "github.com/go-dmap/dmap/internal/record"

// Row is a CSV row while it is decoded. It must not be kept.
type Row struct{ row *record.CSV }

// Len is the number of fields, the same as that of the header.
func (r Row) Len() int { return r.row.Len() }

// Bytes is field i, valid only until the decoder returns.
func (r Row) Bytes(i int) []byte { return r.row.Bytes(i) }

// String is field i. The strings of a row share their memory.
func (r Row) String(i int) string { return r.row.Text(i) }

// RowDecoder makes the function that decodes the rows of an object with the given header. An error
// of it ends the source; one of the function, or a panic, fails the item. The function is called on
// one goroutine.
type RowDecoder[T any] func(header []string) (func(Row) (T, error), error)

// Strings decodes a row to its fields.
func Strings(header []string) (func(Row) ([]string, error), error) {
	return func(row Row) ([]string, error) {
		fields := make([]string, row.Len())
		for i := range fields {
			fields[i] = row.String(i)
		}
		return fields, nil
	}, nil
}

// Maps decodes a row to its fields by column, the form that Step Functions gives rows. Of columns
// with the same name, which CSVOptions must allow, the first counts.
func Maps(header []string) (func(Row) (map[string]string, error), error) {
	return func(row Row) (map[string]string, error) {
		fields := make(map[string]string, row.Len())
		for i := row.Len() - 1; i >= 0; i-- {
			fields[header[i]] = row.String(i)
		}
		return fields, nil
	}, nil
}
