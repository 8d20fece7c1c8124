package lease

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
)

// The groups of a lease and of a run are bounded in bytes, whatever the failures are, and the sum
// of their counts is that of all failures. They have no keys.
func TestGroupsAreBoundedAndComplete(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, kinds := range []int{0, 1, 2, 3, 9, 10, 11, 12, 60, 250} {
		var x failgroup.Index
		n := int64(0)
		for k := range kinds {
			text := fmt.Sprintf("%s %c%c secret.key <<>>", strings.Repeat("é<", random.IntN(120)), 'a'+k%26, 'a'+k/26)
			for range 1 + random.IntN(2) {
				n++
				x.Add(failgroup.Failure{Class: "error", Text: text, Key: "in/secret.key", ID: "in/secret.key@7", At: time.Unix(n, 5)})
			}
		}
		groups := GroupsOf(x.Groups(), BeatFailures)
		require.Equal(t, n, groups.Total())
		require.True(t, groups.Valid())
		require.LessOrEqual(t, len(groups), mostGroups+1)
		text, err := json.Marshal(groups)
		require.NoError(t, err)
		require.LessOrEqual(t, len(text), BeatFailures)
		require.NotContains(t, string(text), "secret")
		if kinds > 0 && kinds < 4 {
			require.NotEqual(t, failgroup.OtherID, groups[0].ID)
		}
	}
}

func TestASumHasTheLargestGroupsFirst(t *testing.T) {
	at := time.Unix(100, 0)
	group := func(id string, n int64, first int) dmap.FailureGroup {
		f := at.Add(time.Duration(first) * time.Second)
		return dmap.FailureGroup{ID: id, Message: id, Count: n, First: f, Last: f}
	}
	a := Groups{group("x", 5, 3), group("y", 2, 1), {ID: failgroup.OtherID, Count: 1}}
	b := Groups{group("y", 4, 9), group("z", 1, 2), group(failgroup.OtherID, 2, 4)}
	y := group("y", 6, 1)
	y.Last = at.Add(9 * time.Second)
	require.Equal(t, Groups{y, group("x", 5, 3), group("z", 1, 2), {ID: failgroup.OtherID, Count: 3, First: at.Add(4 * time.Second), Last: at.Add(4 * time.Second)}},
		SumGroups(a, b))
	var many Groups
	for i := range failgroup.MaxGroups + 3 {
		many = append(many, group(fmt.Sprint(i), 2, 0))
	}
	all := SumGroups(many)
	require.Len(t, all, failgroup.MaxGroups+1)
	require.Equal(t, many.Total(), all.Total())
	require.EqualValues(t, 6, all[failgroup.MaxGroups].Count)
}

func TestGroupsFromOutsideAreChecked(t *testing.T) {
	good := dmap.FailureGroup{ID: "a", Class: "error", Message: "m", Count: 1}
	require.True(t, Groups{good}.Valid())
	for name, change := range map[string]func(*dmap.FailureGroup){
		"no ID":          func(g *dmap.FailureGroup) { g.ID = "" },
		"a long ID":      func(g *dmap.FailureGroup) { g.ID = strings.Repeat("x", 201) },
		"a long class":   func(g *dmap.FailureGroup) { g.Class = strings.Repeat("x", 201) },
		"a long message": func(g *dmap.FailureGroup) { g.Message = strings.Repeat("x", 201) },
		"a count":        func(g *dmap.FailureGroup) { g.Count = -1 },
	} {
		bad := good
		change(&bad)
		require.False(t, Groups{bad}.Valid(), name)
	}
	require.False(t, make(Groups, 12).Valid())
}

func TestAnEffortIsNeverNegative(t *testing.T) {
	sum := Effort{Calls: 5, Written: 7}.Plus(Effort{Calls: 3, Written: -9, Plan: 1, Throttled: 2})
	require.Equal(t, Effort{Calls: 8, Written: 7, Plan: 1, Throttled: 2}, sum)
}
