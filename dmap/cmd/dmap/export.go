package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
)

// failureLine is a failed item as JSON.
type failureLine struct {
	RunID      string          `json:"runId"`
	ID         string          `json:"id"`
	Key        string          `json:"key"`
	KeyBytes   []byte          `json:"keyBase64,omitempty"` // of a key that is not UTF-8
	Offset     int64           `json:"offset"`              // -1: the item is an object
	Group      string          `json:"group"`
	Class      string          `json:"class"`
	Error      string          `json:"error"`
	Stack      string          `json:"stack,omitempty"`
	Attempts   int             `json:"attempts"`
	At         time.Time       `json:"at,omitzero"`
	Elapsed    time.Duration   `json:"elapsed"` // ns, of the last call
	Input      json.RawMessage `json:"input,omitempty"`
	InputError string          `json:"inputError,omitempty"`
	InputRaw   []byte          `json:"inputRawBase64,omitempty"` // of a row that could not be read
}

func lineOf(r *results.Run, f *results.Failure, inputs bool) failureLine {
	line := failureLine{
		RunID: r.RunID, ID: f.ID, Key: f.Key, Offset: f.Offset, Group: f.Group(), Class: f.Class, Error: f.Error, Stack: f.Stack,
		Attempts: f.Attempts, At: f.At, Elapsed: f.Elapsed,
	}
	if !utf8.ValidString(f.Key) {
		line.KeyBytes = []byte(f.Key)
	}
	if inputs {
		line.Input, line.InputError, line.InputRaw = f.Input, f.InputError, f.Raw.Bytes
	}
	return line
}

func exportFailures(ctx context.Context, c *call) error {
	format := c.format
	if format == "" {
		format = "csv"
		if strings.HasSuffix(c.output, ".jsonl") || strings.HasSuffix(c.output, ".ndjson") {
			format = "jsonl"
		}
	}
	write, ok := map[string]func(io.Writer, *results.Run, iter.Seq2[results.Failure, error]) (int64, error){
		"csv": c.writeCSV, "jsonl": c.writeLines,
	}[format]
	if !ok {
		return badUsage("-format %q: want csv or jsonl", format)
	}
	r, err := c.load(ctx)
	if err != nil {
		return err
	}
	failures := results.Failures(ctx, c.bucket, r)
	if c.group != "" {
		groups, err := results.Groups(ctx, c.bucket, r)
		if err != nil {
			return err
		}
		if err := c.knowsGroup(groups, c.group); err != nil {
			return err
		}
		failures = results.FailuresOf(ctx, c.bucket, r, c.group)
	}
	if c.output == "" {
		_, err := write(c.stdout, r, failures)
		return err
	}
	n, err := toFile(c.output, func(w io.Writer) (int64, error) { return write(w, r, failures) })
	if err == nil {
		fmt.Fprintf(c.stderr, "%s of run %s in %s\n", items(n), printable(r.RunID), c.output)
	}
	return err
}

// toFile creates a file. It replaces none, and leaves none that is not whole.
func toFile(name string, write func(io.Writer) (int64, error)) (n int64, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return 0, fmt.Errorf("%s exists: remove it, or give another -o", name)
	}
	if err != nil {
		return 0, err
	}
	n, err = write(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return n, errors.Join(err, os.Remove(name))
	}
	return n, nil
}

func (c *call) writeLines(w io.Writer, r *results.Run, failures iter.Seq2[results.Failure, error]) (n int64, err error) {
	buffered := bufio.NewWriter(w)
	out := json.NewEncoder(buffered)
	for f, err := range failures {
		if err == nil {
			err = out.Encode(lineOf(r, &f, c.inputs))
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, buffered.Flush()
}

func (c *call) writeCSV(w io.Writer, r *results.Run, failures iter.Seq2[results.Failure, error]) (n int64, err error) {
	out := csv.NewWriter(w)
	header := []string{"run", "item", "key", "offset", "group", "class", "error", "attempts", "failed_at", "last_call_ms"}
	if c.inputs {
		header = append(header, "input")
	}
	if err := out.Write(header); err != nil {
		return 0, err
	}
	for f, err := range failures {
		if err == nil {
			err = out.Write(c.row(r, &f))
		}
		if err != nil {
			return n, err
		}
		n++
	}
	out.Flush()
	return n, out.Error()
}

func (c *call) row(r *results.Run, f *results.Failure) []string {
	offset, at := "", ""
	if f.Offset != dmap.WholeObject {
		offset = strconv.FormatInt(f.Offset, 10)
	}
	if !f.At.IsZero() {
		at = f.At.UTC().Format(time.RFC3339Nano)
	}
	row := []string{
		r.RunID, f.ID, f.Key, offset, f.Group(), f.Class, f.Error, strconv.Itoa(f.Attempts), at,
		strconv.FormatFloat(float64(f.Elapsed)/1e6, 'f', -1, 64),
	}
	if c.inputs {
		input := string(f.Input)
		if input == "" {
			input = string(f.Raw.Bytes)
		}
		row = append(row, input)
	}
	for i, cell := range row {
		row[i] = strings.ToValidUTF8(cell, "\ufffd")
		if !c.raw {
			row[i] = escapeFormula(row[i])
		}
	}
	return row
}

// escapeFormula puts a ' before a cell that a spreadsheet would take for a formula.
func escapeFormula(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
