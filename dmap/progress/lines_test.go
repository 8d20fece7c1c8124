package progress

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/watch"
)

func TestTheBarAddsUp(t *testing.T) {
	part := func(name string, n int64) watch.Part { return watch.Part{Name: name, Items: n} }
	for name, c := range map[string]struct {
		parts   []watch.Part
		atLeast bool
		want    string
	}{
		"nothing":                     {nil, false, "........................"},
		"nothing of anything":         {[]watch.Part{part("succeeded", 0), part("unread", 0)}, false, "........................"},
		"all":                         {[]watch.Part{part("succeeded", 7)}, false, "########################"},
		"a third":                     {[]watch.Part{part("succeeded", 1), part("unread", 2)}, false, "########................"},
		"one failure of a million":    {[]watch.Part{part("succeeded", 1e6), part("failed", 1)}, false, "#######################x"},
		"all parts":                   {[]watch.Part{part("succeeded", 50), part("failed", 10), part("skipped", 5), part("held", 5), part("in flight", 10), part("waiting", 10), part("queued", 10)}, false, "############xxx~~>>>...."},
		"the source is read":          {[]watch.Part{part("succeeded", 3), part("in flight", 1)}, true, "##################>>>>>?"},
		"more parts than can be seen": {[]watch.Part{part("succeeded", math.MaxInt64), part("failed", 1), part("skipped", 1), part("held", 1)}, false, "#####################x~~"},
		"a negative part":             {[]watch.Part{part("succeeded", 3), part("failed", -5)}, false, "########################"},
	} {
		t.Run(name, func(t *testing.T) {
			got := bar(&watch.Progress{Parts: c.parts, AtLeast: c.atLeast}, 24)
			require.Equal(t, c.want, got)
			require.Len(t, got, 24)
		})
	}
}

func TestLinesAreClippedByColumns(t *testing.T) {
	for _, c := range []struct {
		in      string
		columns int
		want    string
	}{
		{"short", 10, "short"}, {"exactly", 7, "exactly"}, {"a long line", 8, "a lon..."}, {"a long line", 3, "..."}, {"a long line", 0, ""},
		{"a long line", -1, ""}, {"日本語", 6, "日本語"}, {"日本語", 5, "日..."}, {"caf\u00e9s", 5, "caf\u00e9s"},
	} {
		require.Equal(t, c.want, clipped(c.in, c.columns), "%q in %d", c.in, c.columns)
	}
}

func TestTheLargestGroupsOfFailuresAreNamed(t *testing.T) {
	f := watch.Failures{Total: 66}
	require.Empty(t, failuresText(&watch.Failures{}, 80))
	for i, g := range []failgroup.Group{
		{Class: "timeout", Message: "context deadline exceeded"}, {Class: "error", Message: "card <n> expired"}, {Class: "panic"}, {Class: "read", Message: "x"}, {ID: failgroup.OtherID},
	} {
		g.Count = int64(20 - i)
		f.Groups = append(f.Groups, g)
	}
	require.Equal(t, "failures: 20 x timeout: context deadline exceeded | 19 x card <n> expired | 18 x panic | 9 of other kinds", failuresText(&f, 200))
	require.Equal(t, "failures: 20 x timeout: con... | 19 x card <n> exp... | 18 x panic | 9 of other kinds", failuresText(&f, 80))
	require.Equal(t, "3 x "+strings.Repeat("m", 63)+"...", groupText(&failgroup.Group{Count: 3, Message: strings.Repeat("m", 500)}, 70))
	require.Equal(t, "1 x other", groupText(&failgroup.Group{Count: 1}, 70))
	require.NotContains(t, groupText(&failgroup.Group{Count: 1, Message: "a\x1b[2J"}, 70), "\x1b")
}

func TestTheEndSaysWhatToDo(t *testing.T) {
	begun := time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC)
	s := &watch.Snapshot{
		RunID: "night", Begun: begun, Ended: begun.Add(90 * time.Minute),
		Verdict: watch.Verdict{Status: watch.StatusFailed, Tone: watch.ToneBad, Text: "Failed: more items failed than tolerated.", Cause: "tolerance exceeded\n\ta: boom", Next: "Redrive it."},
	}
	var text []string
	for _, l := range finalLines(s, 80) {
		text = append(text, l.text)
	}
	require.Equal(t, []string{
		"night: Failed: more items failed than tolerated.", "cause: tolerance exceeded", "next: Redrive it.", "[.............] ", "took 1 h 30 min: 0 items/s",
	}, text)
}

func TestValuesOfLogLinesAreQuoted(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "": `""`, "two words": `"two words"`, "a=b": `"a=b"`, `say "x"`: `"say \"x\""`, "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`,
		"caf\u00e9": "caf\u00e9", "\u202e": `"\u202e"`, "back\\slash": `"back\\slash"`,
	} {
		require.Equal(t, want, quoted(in), "%q", in)
	}
	require.Less(t, len(quoted(strings.Repeat("k", 5000))), 1100)
	require.NotContains(t, quoted("\xff\xfe x"), "\xff")
	for f, want := range map[float64]string{0: "0", 1234.5678: "1234.568", 0.0012345: "0.001235", math.NaN(): "0", math.Inf(1): "0", 1e9: "1000000000"} {
		require.Equal(t, want, decimal(f))
	}
}

func TestALogLineOfAFailedRunIsAnError(t *testing.T) {
	now := time.Date(2026, 11, 26, 3, 4, 5, 678e6, time.UTC)
	s := &watch.Snapshot{
		RunID: "night run", At: now, Begun: now.Add(-time.Minute), Ended: now, Stats: dmap.Stats{Succeeded: 8, Failed: 2, Calls: 11},
		Progress: watch.Progress{Total: 10, Share: 1, Parts: []watch.Part{{Name: "succeeded", Items: 8}, {Name: "failed", Items: 2}, {Name: "in flight"}}},
		Verdict:  watch.Verdict{Status: watch.StatusFailed, Tone: watch.ToneBad, Text: "Failed.", Cause: "boom\nand more"},
		Failures: watch.Failures{Total: 2, Groups: []failgroup.Group{{Count: 2, Class: "error", Message: "boom"}}},
		Now:      watch.Pace{Items: 0.25, P95: 0.5},
	}
	require.Equal(t, `time=2026-11-26T03:04:05.678Z level=ERROR msg="dmap: progress" run="night run" state=failed settled=10 total=10 percent=100 `+
		`succeeded=8 failed=2 items_per_s=0.25 call_p95_s=0.5 took_s=60 calls=11 failures="2 x boom" verdict=Failed. cause=boom`+"\n", logLine(s, now))
}
