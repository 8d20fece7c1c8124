package progress

import (
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/scrub"
	"github.com/go-dmap/dmap/internal/watch"
)

// lines writes a line for each run, of the form of slog.TextHandler.
type lines struct{ w io.Writer }

func (l *lines) update(runs []*watch.Collector, now time.Time) {
	for _, c := range runs {
		s := c.Snapshot()
		_, _ = io.WriteString(l.w, logLine(&s, now))
	}
}

func (l *lines) final(c *watch.Collector, now time.Time) {
	s := c.Snapshot()
	_, _ = io.WriteString(l.w, logLine(&s, now))
}

func (*lines) leave() {}

func (l *lines) write(p []byte) (int, error) { return l.w.Write(p) }

// logLine is the state of a run as key=value pairs, with units in the keys. Fields without a value
// are left out.
func logLine(s *watch.Snapshot, now time.Time) string {
	var b strings.Builder
	add := func(key, value string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(key + "=" + quoted(value))
	}
	number := func(key string, n int64) {
		if n != 0 {
			add(key, strconv.FormatInt(n, 10))
		}
	}
	level := slog.LevelInfo
	if s.Verdict.Tone == watch.ToneBad {
		level = slog.LevelError
	}
	add("time", now.Format("2006-01-02T15:04:05.000Z07:00"))
	add("level", level.String())
	add("msg", "dmap: progress")
	add("run", s.RunID)
	add("state", string(s.Verdict.Status))
	add("settled", strconv.FormatInt(s.Stats.Succeeded+s.Stats.Failed+s.Stats.Skipped, 10))
	number("total", s.Progress.Total)
	switch {
	case !s.Progress.AtLeast:
		add("percent", decimal(s.Progress.Share*100))
	case s.Live && s.Phase == "":
		add("reading", "true")
	}
	for _, part := range s.Progress.Parts {
		number(strings.ReplaceAll(part.Name, " ", "_"), part.Items)
	}
	add("items_per_s", decimal(s.Now.Items))
	if s.Now.P95 > 0 {
		add("call_p95_s", decimal(s.Now.P95))
	}
	if s.Live {
		liveFields(s, add, number)
	} else {
		add("took_s", decimal(s.Ended.Sub(s.Begun).Seconds()))
		number("calls", s.Stats.Calls)
	}
	if len(s.Failures.Groups) > 0 {
		add("failures", strings.TrimPrefix(failuresText(&s.Failures, 300), "failures: "))
	}
	add("verdict", s.Verdict.Text)
	if first, _, _ := strings.Cut(s.Verdict.Cause, "\n"); first != "" {
		add("cause", first)
	}
	b.WriteByte('\n')
	return b.String()
}

// liveFields are the fields of a run that works.
func liveFields(s *watch.Snapshot, add func(key, value string), number func(key string, n int64)) {
	add("calls_in_flight", strconv.Itoa(s.Now.InCalls))
	add("call_limit", strconv.Itoa(s.Now.Limit))
	if s.ETA.Known {
		add("eta", s.ETA.About.Format(time.RFC3339))
	}
	if len(s.Calls) > 0 {
		add("oldest_call", s.Calls[0].ID)
		add("oldest_call_s", decimal(s.Calls[0].Age))
	}
	if !s.Durable.Last.IsZero() {
		add("last_commit_s", decimal(max(0, s.At.Sub(s.Durable.Last).Seconds())))
		number("runs_again", s.Durable.RunAgain)
	}
	if len(s.Slowed) > 0 {
		add("slowed", s.Slowed[0])
	}
}

// decimal formats f with at most three digits after the point, six if it is less than 1.
func decimal(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "0"
	}
	scale := 1e3
	if math.Abs(f) < 1 {
		scale = 1e6
	}
	return strconv.FormatFloat(math.Round(f*scale)/scale, 'f', -1, 64)
}

// maxValue bounds a value of a line, in bytes.
const maxValue = 1 << 10

// quoted is a value as slog.TextHandler writes it: in double quotes if it is empty or has a space,
// a quote, an equals sign, or a character that cannot be shown.
func quoted(value string) string {
	value = scrub.Clip(value, maxValue)
	if value == "" || strings.ContainsAny(value, " \"=\\`") || scrub.Printable(value, false) != value {
		return strconv.Quote(value)
	}
	return value
}
