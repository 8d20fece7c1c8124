package source_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/source"
)

// forbidden is a refused access. gcsblob gives it the code NotFound.
type forbidden struct{}

func (forbidden) Error() string       { return "403 Forbidden" }
func (forbidden) HTTPStatusCode() int { return 403 }

func TestAnObjectThatIsRefusedIsNotGone(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": "1"}))
	o := object(t, bucket.Bucket)
	for name, test := range map[string]struct {
		op   dmaptest.Op
		read func() error
	}{
		"open": {dmaptest.OpOpen, func() error { _, err := o.ReadAll(t.Context()); return err }},
		"attributes": {dmaptest.OpAttributes, func() error {
			_, err := try(t.Context(), source.JSONLines[int](bucket.Bucket, "k"))
			return err
		}},
	} {
		for _, code := range []gcerrors.ErrorCode{gcerrors.NotFound, gcerrors.PermissionDenied} {
			bucket.Inject(dmaptest.Fault{Op: test.op, Code: code, Err: forbidden{}, Sticky: true})
			err := test.read()
			require.ErrorContains(t, err, "403", name)
			require.NotEqual(t, "gone", dmap.Class(err), name)
			require.True(t, attention.Needed(err), name)
			bucket.Heal()
		}
		bucket.Inject(dmaptest.Fault{Op: test.op, Code: gcerrors.NotFound, Sticky: true})
		require.Equal(t, "gone", dmap.Class(test.read()), name)
		bucket.Heal()
	}
}

// sized are objects of the given sizes in bytes, whose content tells their number.
func sized(t *testing.T, sizes ...int) []source.Object {
	content := map[string]string{}
	for i, size := range sizes {
		content[fmt.Sprintf("%03d", i)] = strings.Repeat(fmt.Sprint(i%10), size)
	}
	var objects []source.Object
	for _, item := range read(t, source.Objects(memory(t, content), "")) {
		objects = append(objects, item.Value)
	}
	require.Len(t, objects, len(sizes))
	return objects
}

func TestObjectsAreReadIntoTheMemoryThatIsThere(t *testing.T) {
	objects := sized(t, 1000, 10, 0, 1000, 1001)
	buf, err := objects[0].ReadInto(t.Context(), nil)
	require.NoError(t, err)
	first := &buf[0]
	for i, o := range objects {
		buf, err = o.ReadInto(t.Context(), buf)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat(fmt.Sprint(i), int(o.Size)), string(buf))
		require.Equal(t, i < 4, &buf[:1][0] == first, "object %d", i)
	}
}

func TestAnObjectOfUnknownOrGreatSizeIsReadInto(t *testing.T) {
	o := sized(t, 17<<20)[0]
	for _, capacity := range []int{0, 100, 18 << 20} {
		got, err := o.ReadInto(t.Context(), make([]byte, capacity))
		require.NoError(t, err)
		require.Len(t, got, 17<<20)
		require.Equal(t, 17<<20, bytes.Count(got, []byte("0")))
	}
	o.Size = -1
	got, err := o.ReadInto(t.Context(), make([]byte, 1))
	require.NoError(t, err)
	require.Len(t, got, 17<<20)
}

func TestWhatWasDecodedOutlivesTheNextObject(t *testing.T) {
	type document struct {
		Text string
		Raw  json.RawMessage
		Any  any
		Data []byte
	}
	content := map[string]string{}
	for i := range 100 {
		content[fmt.Sprintf("%03d", i)] = fmt.Sprintf(`{"Text":"text %[1]d","Raw":{"n":%[1]d},"Any":["any %[1]d"],"Data":"AAEC"}`, i)
	}
	items := read(t, source.Objects(memory(t, content), ""))
	documents := make([]document, len(items))
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := w; i < len(items); i += 4 {
				if err := items[i].Value.DecodeJSON(t.Context(), &documents[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	for i, d := range documents {
		require.Equal(t, document{
			Text: fmt.Sprint("text ", i), Raw: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i)),
			Any: []any{fmt.Sprint("any ", i)}, Data: []byte{0, 1, 2},
		}, d)
	}
}
