package dmaptest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// versioned is numbers with a Version, right but for its bug.
type versioned struct {
	numbers
	versionBug string
}

func (v *versioned) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{Splits: v.Splits, Read: v.Read, Version: v.version}
}

func (v *versioned) version(_ context.Context, s dmap.Split) (string, error) {
	switch v.versionBug {
	case "error":
		return "", errors.New("gone")
	case "changes":
		return fmt.Sprint(v.readings.Add(1)), nil
	case "of the part":
		return fmt.Sprint(s.From.Offset), nil
	}
	return s.ID, nil
}

func TestSuiteComparesVersions(t *testing.T) {
	open := func(bug string) func(testing.TB) dmap.Source[int] {
		return func(testing.TB) dmap.Source[int] { return &versioned{versionBug: bug} }
	}
	require.Empty(t, find(t, planChecks(open(""), compareBy[int](nil))))
	for bug, want := range map[string]string{
		"error":       `Version of split "part-0": gone`,
		"changes":     `at the second call`,
		"of the part": `Version of a part of split "part-0" is "1", that of the split "0"`,
	} {
		said := find(t, planChecks(open(bug), compareBy[int](nil)))
		require.Contains(t, said, "Version is the same each time: ", bug)
		require.Contains(t, said, want, bug)
	}
}
