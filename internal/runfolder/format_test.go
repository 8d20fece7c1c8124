package runfolder_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// schema are the structs that docs/format.md specifies.
func schema() []any {
	return []any{
		runfolder.RunFile{}, runfolder.Batch{}, runfolder.Item{}, runfolder.Record{}, runfolder.Cursor{}, runfolder.CommitHeader{},
		runfolder.CommitRecord{}, runfolder.Interval{}, runfolder.Prefix{}, runfolder.Counts{}, runfolder.BucketState{},
		runfolder.Step{}, runfolder.Stop{}, runfolder.Attempt{},
		runfolder.Manifest{}, runfolder.ResultFiles{}, runfolder.Part{}, runfolder.Stats{}, runfolder.Unread{}, runfolder.Split{}, runfolder.Broken{}, runfolder.Lost{},
		runfolder.RedriveFile{}, runfolder.Choice{}, runfolder.TakenPart{}, runfolder.Begun{},
		runfolder.FailureGroup{}, runfolder.FailureSample{}, runfolder.KeyPrefix{}, runfolder.Trend{},
		runfolder.Decided{}, runfolder.DecisionFile{}, runfolder.Release{},
		runfolder.Edits{}, runfolder.Edit{}, runfolder.Tolerance{}, runfolder.Lane{}, runfolder.LeaseRange{},
	}
}

// field is a row of a table: what a Go struct and the document must agree on.
type field struct {
	Name, Type string
	Always     bool // written whatever its value
}

// documented reads the tables of docs/format.md: the rows after each <!-- fields: Struct -->.
func documented(t *testing.T) map[string][]field {
	t.Helper()
	text, err := os.ReadFile("../../docs/format.md")
	require.NoError(t, err)
	row := regexp.MustCompile("^\\| `(\\w+)` \\| ([\\w ]+) \\|.*\\| ([^|]*) \\|$|^\\| `(\\w+)` \\| (string) \\| twin \\| \\|$")
	tables := map[string][]field{}
	name := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if next, ok := strings.CutPrefix(line, "<!-- fields: "); ok {
			name = strings.TrimSuffix(next, " -->")
			require.NotContains(t, tables, name)
			tables[name] = nil
			continue
		}
		switch m := row.FindStringSubmatch(line); {
		case !strings.HasPrefix(line, "|"):
			if len(tables[name]) > 0 {
				name = ""
			}
		case name == "" || strings.HasPrefix(line, "| field ") || strings.HasPrefix(line, "|---"):
		case m == nil:
			t.Fatalf("a row that this test does not understand: %s", line)
		case m[4] != "":
			tables[name] = append(tables[name], field{m[4], m[5], false})
		default:
			tables[name] = append(tables[name], field{m[1], m[2], strings.HasPrefix(m[3], "never")})
		}
	}
	return tables
}

// fieldsOf lists the fields of a struct in the order in which encoding/json writes them.
func fieldsOf(t *testing.T, of reflect.Type) (fields []field) {
	t.Helper()
	for f := range of.Fields() {
		tag := f.Tag.Get("json")
		if f.Anonymous {
			continue // Item in Record, which has a table of its own
		}
		name, option, _ := strings.Cut(tag, ",")
		require.NotEmpty(t, name, "%s.%s has no JSON name", of.Name(), f.Name)
		fields = append(fields, field{name, typeName(f.Type), option == ""})
	}
	return fields
}

// typeName is the name of a type in the document.
func typeName(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Time]():
		return "time"
	case of == reflect.TypeFor[json.RawMessage]():
		return "any"
	}
	switch of.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Map:
		return "object"
	case reflect.Slice:
		return "array of " + typeName(of.Elem())
	case reflect.Pointer:
		return typeName(of.Elem())
	default:
		return of.Name()
	}
}

func TestFormatDocumentHasEveryField(t *testing.T) {
	tables := documented(t)
	for _, s := range schema() {
		of := reflect.TypeOf(s)
		require.Equal(t, fieldsOf(t, of), tables[of.Name()], "docs/format.md, fields of %s", of.Name())
		delete(tables, of.Name())
	}
	require.Empty(t, tables, "docs/format.md has tables of structs that do not exist")
}

// Every struct that one of the schema refers to is in the schema.
func TestFormatDocumentHasEveryStruct(t *testing.T) {
	known := map[string]bool{"time": true, "any": true, "string": true, "boolean": true, "integer": true, "number": true, "object": true}
	for _, s := range schema() {
		known[reflect.TypeOf(s).Name()] = true
	}
	for _, s := range schema() {
		for _, f := range fieldsOf(t, reflect.TypeOf(s)) {
			require.True(t, known[strings.TrimPrefix(f.Type, "array of ")], "%s is not in the schema", f.Type)
		}
	}
}
