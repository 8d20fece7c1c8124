package watch

import (
	"strings"
	"time"
)

// Headline is the first line about a run: "Running, 62 %, done about 14:32 (14:28 to 14:41).
// Throttling: 312 items wait, next call in 8 s." Times are in the time zone of now.
func (s *Snapshot) Headline(now time.Time) string {
	text := strings.TrimSuffix(s.Verdict.Text, ".")
	if s.Live {
		if !s.Progress.AtLeast && s.Progress.Total > 0 {
			text += ", " + Percent(s.Progress.Share)
		}
		if s.ETA.Known {
			text += ", " + s.ETA.Text(now)
		}
	}
	text += "."
	if len(s.Slowed) > 0 && s.Verdict.Status != StatusBackOff {
		text += " " + s.Slowed[0]
	}
	return text
}
