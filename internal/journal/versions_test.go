package journal_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
)

func TestAChangedSplitIsFound(t *testing.T) {
	settled := []journal.Interval{
		{Split: "a", Version: "1"}, {Split: "a", Version: "1", From: journal.Cursor{Offset: 5}}, {Split: "b"}, {Split: "c", Version: "1"},
	}
	asked := ""
	now := func(versions map[string]string) func(journal.Interval) (string, error) {
		asked = ""
		return func(v journal.Interval) (string, error) {
			if asked += v.Split; versions[v.Split] == "broken" {
				return "1", errors.New("broken")
			}
			return versions[v.Split], nil
		}
	}
	at, version, err := journal.Changed(settled, now(map[string]string{"a": "1"}))
	require.Equal(t, journal.Interval{}, at)
	require.Empty(t, version)
	require.NoError(t, err)
	require.Equal(t, "ac", asked, "each split with a version is asked once")
	at, version, err = journal.Changed(settled, now(map[string]string{"c": "2"}))
	require.Equal(t, settled[3], at)
	require.Equal(t, "2", version)
	require.NoError(t, err)
	at, version, err = journal.Changed(settled, now(map[string]string{"a": "broken"}))
	require.Equal(t, settled[0], at)
	require.Empty(t, version)
	require.EqualError(t, err, "broken")
}
