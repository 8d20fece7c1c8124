package listing

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

func TestOwnObjectsAreThoseOfTheRangeInByteOrder(t *testing.T) {
	objects := listObjects("b", "c", "d")
	own, beyond, err := ownObjects(objects, "a", "c")
	require.NoError(t, err)
	require.True(t, beyond)
	require.Len(t, own, 2)
	own, beyond, err = ownObjects(objects, "b", "")
	require.NoError(t, err)
	require.False(t, beyond)
	require.Len(t, own, 2, "the key itself may come")
	_, _, err = ownObjects(listObjects("b", "a"), "", "")
	require.ErrorContains(t, err, `"a" listed after "b"`)
	_, _, err = ownObjects(listObjects("b", "z\x01"), "a", "c")
	require.ErrorContains(t, err, "not in byte order", "it may belong to the range by its bytes")
}

func listObjects(keys ...string) []*blob.ListObject {
	var out []*blob.ListObject
	for _, key := range keys {
		out = append(out, &blob.ListObject{Key: key})
	}
	return out
}
