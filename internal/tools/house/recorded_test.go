package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompareFailsInBothDirections(t *testing.T) {
	for name, test := range map[string]struct {
		now, recorded numbers
		want          string // empty: no error
	}{
		"equal":           {numbers{"a": 3}, numbers{"a": 3}, ""},
		"above":           {numbers{"a": 4}, numbers{"a": 3}, "a rose from 3 to 4"},
		"below":           {numbers{"a": 2}, numbers{"a": 3}, "a fell from 3 to 2: record the new number: make guards-record"},
		"not recorded":    {numbers{"new": 1}, numbers{}, "new rose from 0 to 1"},
		"gone":            {numbers{}, numbers{"old": 1}, "old fell from 1 to 0"},
		"absent and zero": {numbers{"a": 0}, numbers{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := compare(test.now, test.recorded)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestCompareNamesEveryNumberThatDiffers(t *testing.T) {
	err := compare(numbers{"a": 1, "b": 2}, numbers{"b": 3})
	require.ErrorContains(t, err, "a rose")
	require.ErrorContains(t, err, "b fell")
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recorded.txt")
	require.NoError(t, write(path, numbers{"b": 2, "a": 1, "zero": 0}))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, header+"a 1\nb 2\n", string(text))
	n, err := read(path)
	require.NoError(t, err)
	require.Equal(t, numbers{"a": 1, "b": 2}, n)
}

func TestReadRefusesALineWithoutANumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recorded.txt")
	require.NoError(t, os.WriteFile(path, []byte("a 1\nb\n"), 0o644))
	_, err := read(path)
	require.ErrorContains(t, err, "recorded.txt:2: want `name value`")
}

func TestTableMarksTheNumbersThatDiffer(t *testing.T) {
	require.Equal(t, "name  now  recorded\na     1    1\nb     2    3  <-\n", table(numbers{"a": 1, "b": 2}, numbers{"a": 1, "b": 3}))
}
