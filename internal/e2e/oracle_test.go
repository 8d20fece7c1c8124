package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

// folder is a run's folder as described by its manifest. It is read without the code that wrote
// it.
type folder struct {
	prefix   string
	manifest manifest
	records  map[string]map[string]record // by kind, then ID
}

type manifest struct {
	RunID, Status, Error string
	ResultFiles          map[string][]struct {
		Key           string
		Size, Records int
		SHA256        string
	}
	Stats  struct{ Read, Succeeded, Failed, Skipped, Pending int64 }
	Unread map[string]any
	Lost   []any
	Groups *struct{ Key string }
}

type record struct {
	ID, Key, Class, Error string
	Attempts              int
	Input                 struct{ Key string }
	Output                squared
}

// openFolder reads the folder, and compares each part with the manifest.
func openFolder(t *testing.T, b *blob.Bucket, prefix string) folder {
	t.Helper()
	f := folder{prefix: prefix + "/", records: map[string]map[string]record{"SUCCEEDED": {}, "FAILED": {}, "PENDING": {}}}
	require.NoError(t, json.Unmarshal([]byte(read(t, b, f.prefix+"manifest-000.json")), &f.manifest))
	for kind, parts := range f.manifest.ResultFiles {
		for _, p := range parts {
			content := read(t, b, p.Key)
			sum := sha256.Sum256([]byte(content))
			require.Equal(t, p.SHA256, hex.EncodeToString(sum[:]), p.Key)
			require.Len(t, content, p.Size, p.Key)
			lines := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
			require.Len(t, lines, p.Records, p.Key)
			for _, line := range lines {
				var r record
				require.NoError(t, json.Unmarshal([]byte(line), &r), "%s: %s", p.Key, line)
				_, doubled := f.records[kind][r.ID]
				require.False(t, doubled, "%s: %s has two records among the %s", p.Key, r.ID, kind)
				f.records[kind][r.ID] = r
			}
		}
	}
	return f
}

// ids returns the IDs of the records of a kind.
func (f folder) ids(kind string) iter.Seq[string] { return maps.Keys(f.records[kind]) }

// complete checks that each of the n items of the job has exactly one record, with the right
// outcome. The objects of the numbers in refused could not be read.
func (f folder) complete(t *testing.T, n int, refused ...int) {
	t.Helper()
	f.consistent(t, n)
	require.Empty(t, f.records["PENDING"])
	require.Empty(t, f.manifest.Unread)
	for i := range n {
		kind := "SUCCEEDED"
		if bad(i) || slices.Contains(refused, i) {
			kind = "FAILED"
		}
		_, found := f.records[kind][objectKey(i)]
		require.True(t, found, "%s is not among the %s; among the failed: %+v", objectKey(i), kind, f.records["FAILED"][objectKey(i)])
	}
	require.Equal(t, n, len(f.records["SUCCEEDED"])+len(f.records["FAILED"]))
}

// consistent checks the invariants of every run over the n objects of the job that has a manifest:
// no record of an unknown item, no item with two records, no wrong result. The counts equal the
// records, and items without a record are declared unread.
func (f folder) consistent(t *testing.T, n int) {
	t.Helper()
	inputs := map[string]int{}
	for i := range n {
		inputs[objectKey(i)] = i
	}
	settled := map[string]bool{}
	for kind, records := range f.records {
		for id, r := range records {
			i, known := inputs[id]
			require.True(t, known, "%s among the %s is not an item", id, kind)
			require.False(t, settled[id], "%s has two outcomes", id)
			settled[id] = true
			switch kind {
			case "SUCCEEDED":
				require.Equal(t, squared{i, i * i}, r.Output, id)
			case "FAILED":
				require.NotEmpty(t, r.Class, id)
				require.Contains(t, r.Error, id, "the error names its object")
				fallthrough
			case "PENDING":
				require.Equal(t, id, r.Input.Key, "a redrive needs the input")
			}
		}
	}
	s := f.manifest.Stats
	require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Pending, "%+v", s)
	if len(f.manifest.Lost) == 0 {
		require.Len(t, f.records["SUCCEEDED"], int(s.Succeeded))
		require.Len(t, f.records["FAILED"], int(s.Failed))
		require.Len(t, f.records["PENDING"], int(s.Pending))
	}
	if len(settled) < n && len(f.manifest.Lost) == 0 {
		require.NotEmpty(t, f.manifest.Unread, "%d of %d items have a record: the others must be declared unread", len(settled), n)
	}
}

// hasNoOtherObjects checks that the folder contains only the objects in the manifest and the
// commits.
func (f folder) hasNoOtherObjects(t *testing.T, b *blob.Bucket) {
	t.Helper()
	known := map[string]bool{f.prefix + "run.json": true, f.prefix + "manifest-000.json": true}
	for _, parts := range f.manifest.ResultFiles {
		for _, p := range parts {
			known[p.Key] = true
		}
	}
	if g := f.manifest.Groups; g != nil {
		known[g.Key] = true
	}
	list := b.List(&blob.ListOptions{Prefix: f.prefix})
	for {
		o, err := list.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		commit := strings.HasPrefix(o.Key, f.prefix+"commits/") // of the journal
		require.True(t, known[o.Key] || commit, "stray object %s", o.Key)
	}
}
