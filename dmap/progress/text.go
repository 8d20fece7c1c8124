package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/scrub"
	"github.com/go-dmap/dmap/internal/watch"
)

// liveLines are the lines about a run that works, for a terminal of some columns. others is the
// number of other runs.
func liveLines(s *watch.Snapshot, now time.Time, others, columns int) []line {
	headline := s.Headline(now)
	if others > 0 {
		headline = fmt.Sprintf("%s (and %s): %s", shown(s.RunID), watch.Counted(int64(others), "other run"), headline)
	}
	list := []line{{headline, toneStyle(s.Verdict.Tone)}, {barText(&s.Progress, columns), ""}, {paceText(s), ""}}
	if text := failuresText(&s.Failures, columns); text != "" {
		list = append(list, line{text, red})
	}
	if text := oldestText(s); text != "" {
		list = append(list, line{text, ""})
	}
	return append(list, line{s.Durable.Text, dim})
}

// finalLines are the lines about a run that this process has left.
func finalLines(s *watch.Snapshot, columns int) []line {
	headline := fmt.Sprintf("%s: %s", shown(s.RunID), s.Verdict.Text)
	list := []line{{headline, toneStyle(s.Verdict.Tone)}}
	if s.Verdict.Cause != "" && s.Verdict.Tone != watch.ToneGood {
		first, _, _ := strings.Cut(s.Verdict.Cause, "\n")
		list = append(list, line{"cause: " + first, ""})
	}
	if s.Verdict.Next != "" {
		list = append(list, line{"next: " + s.Verdict.Next, ""})
	}
	took := watch.Duration(s.Ended.Sub(s.Begun))
	list = append(list, line{barText(&s.Progress, columns), ""}, line{fmt.Sprintf("took %s: %s", took, paceText(s)), ""})
	if text := failuresText(&s.Failures, columns); text != "" {
		list = append(list, line{text, red})
	}
	return list
}

// lastLine is the last line with what the keys are, or in its place a note about the latest key.
func lastLine(l line, note, keys string, columns int) line {
	switch {
	case note != "":
		return line{note, bold}
	case keys != "":
		const between = "  "
		if room := columns - 1 - len(between) - len(keys); room > 0 {
			l.text = clipped(l.text, room) + between + keys
		}
	}
	return l
}

// paceText is what the run does now, or has done.
func paceText(s *watch.Snapshot) string {
	fields := []string{perSecond(s.Now.Items, "items")}
	if s.Now.Failed > 0 {
		fields = append(fields, perSecond(s.Now.Failed, "failed"))
	}
	if s.Live {
		fields = append(fields, fmt.Sprintf("%s of %s in use", watch.Count(int64(s.Now.InCalls)), watch.Counted(int64(s.Now.Limit), "call")))
	}
	if s.Now.P95 > 0 {
		fields = append(fields, fmt.Sprintf("call p50 %s, p95 %s, max %s", inSeconds(s.Now.P50), inSeconds(s.Now.P95), inSeconds(s.Now.Max)))
	}
	if s.Stats.Failed > 0 {
		fields = append(fields, s.Fuel.Text)
	}
	return strings.Join(fields, "; ")
}

// perSecond is a rate: "1,234 items/s".
func perSecond(r float64, noun string) string {
	return strings.TrimSuffix(watch.PerSecond(r), "/s") + " " + noun + "/s"
}

func inSeconds(s float64) string { return watch.Duration(time.Duration(s * float64(time.Second))) }

// failuresText names the three largest groups of failures, each in its share of the columns.
func failuresText(f *watch.Failures, columns int) string {
	const title, most, between = "failures: ", 3, " | "
	if f.Total == 0 {
		return ""
	}
	largest := f.Groups[:min(most, len(f.Groups))]
	left := f.Total
	for i := range largest {
		left -= largest[i].Count
	}
	rest := ""
	if left > 0 {
		rest = fmt.Sprintf("%s%s of other kinds", between, watch.Count(left))
	}
	room := columns - 1 - len(title) - len(rest) - (len(largest)-1)*len(between)
	groups := make([]string, len(largest))
	for i := range largest {
		groups[i] = groupText(&largest[i], max(20, room/(len(largest)-i)))
		room -= columnsOf(groups[i])
	}
	return title + strings.Join(groups, between) + rest
}

// groupText is a group of failures in at most that many columns.
func groupText(g *failgroup.Group, columns int) string {
	name := g.Message
	switch {
	case name == "" && g.Class == "":
		name = "other"
	case name == "":
		name = g.Class
	case g.Class != "" && g.Class != "error" && !strings.HasPrefix(name, g.Class+":"):
		name = g.Class + ": " + name
	}
	return clipped(watch.Count(g.Count)+" x "+scrub.Printable(name, false), columns)
}

// oldestText is the oldest call in flight, if it takes long.
func oldestText(s *watch.Snapshot) string {
	if len(s.Calls) == 0 {
		return ""
	}
	c := s.Calls[0]
	text := fmt.Sprintf("oldest call: %s, %s", shown(c.ID), inSeconds(c.Age))
	switch {
	case c.Stuck:
		text += ", stuck: it has ignored its timeout"
	case c.Slow:
		text += ", much longer than others"
	}
	if c.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", c.Attempt)
		if c.Last != "" {
			text += " after: " + c.Last
		}
	}
	return text
}

// shown is a text from outside inside a line: quoted if it has anything else than harmless and
// visible characters, and clipped.
func shown(s string) string { return clipped(scrub.Word(s), 100) }
