package dmap

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/gate"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/scrub"
)

// runLog reports a run to its operator, in Options.Logger. It is safe for concurrent use, and
// survives a panic of the Logger's Handler.
type runLog struct {
	logger *slog.Logger
	ctx    atomic.Pointer[context.Context] // the values of the run's context, for the Handler
	runID  string
	rules  *errtext.Rules // for what lines show

	silent atomic.Bool // a line did not return: nothing more is logged
	paused atomic.Bool // it has reported that reading pauses

	mu      sync.Mutex          // guards the fields below
	classes map[string]struct{} // of the failures that it has reported
	warned  int                 // the share of the tolerance that it has reported, in percent
}

const (
	maxLoggedClasses = 100
	maxLoggedClass   = 64 // bytes of a class
)

func newRunLog(ctx context.Context, opts Options, rules *errtext.Rules) *runLog {
	l := &runLog{logger: opts.Logger, runID: opts.RunID, rules: rules, classes: make(map[string]struct{})}
	ctx = context.WithoutCancel(ctx)
	l.ctx.Store(&ctx)
	return l
}

// addValues adds the values of a context to that of the lines that follow.
func (l *runLog) addValues(values context.Context) {
	var ctx context.Context = &withValues{*l.ctx.Load(), values}
	l.ctx.Store(&ctx)
}

func (l *runLog) write(level slog.Level, message string, args ...any) {
	if !l.wants(level) {
		return
	}
	args = append([]any{"run", l.runID}, args...)
	_, how := guard.Call(func() struct{} {
		l.logger.Log(*l.ctx.Load(), level, "dmap: "+message, args...)
		return struct{}{}
	})
	if how.Hangs() {
		l.silent.Store(true)
	}
}

// wants reports whether lines of a level are read by anybody.
func (l *runLog) wants(level slog.Level) bool {
	if l.silent.Load() || l.logger.Handler() == slog.DiscardHandler {
		return false
	}
	enabled := func() bool { return l.logger.Enabled(*l.ctx.Load(), level) }
	switch l.logger.Handler().(type) {
	case *slog.TextHandler, *slog.JSONHandler: // their Enabled returns
		return enabled()
	}
	wanted, how := guard.Call(enabled)
	if how.Hangs() {
		l.silent.Store(true)
	}
	return wanted
}

// text is the text of err in a line.
func (l *runLog) text(err error) string { return scrub.Clip(describe(l.rules, err), maxText) }

// itemText is the text of the error of an item.
func (l *runLog) itemText(err error, info *Info) string { return l.rules.Text(err, info.Key, maxText) }

// started reports the first process of a run, or one that resumes it after n.
func (l *runLog) started(spec RunSpec, n journal.Counts, commits int64) {
	if !spec.Resumed {
		l.write(slog.LevelInfo, "run started", "source", spec.Source, "concurrency", spec.Options.MaxConcurrency)
		return
	}
	message := "run resumed"
	var more []any
	if spec.Redrive > 0 {
		message, more = "run redriven", []any{"redrive", spec.Redrive, "taken", n.Outstanding()}
	}
	l.write(slog.LevelInfo, message, append(more, "source", spec.Source, "concurrency", spec.Options.MaxConcurrency, "commits", commits,
		"read", n.Read, "succeeded", n.Succeeded, "failed", n.NowFailed(), "skipped", n.Skipped,
		"held", n.NowHeld(), "elapsed", n.Elapsed)...)
}

// committed reports a record of the journal.
func (l *runLog) committed(number int64, n journal.Counts) {
	if !l.wants(slog.LevelDebug) {
		return
	}
	l.write(slog.LevelDebug, "commit written", "commit", number, "succeeded", n.Succeeded, "failed", n.Failed, "skipped", n.Skipped)
}

// sinkFailed reports an error of a sink, or of the journal.
func (l *runLog) sinkFailed(err *SinkError) {
	message := "sink failed"
	if err.Op == "commit" || err.Op == "append" {
		message = "commit failed"
	}
	l.write(slog.LevelError, message, "op", err.Op, "error", l.rules.Text(err.Err, "", maxText))
}

// stopping reports that the run stops early.
func (l *runLog) stopping(cause error) {
	level := slog.LevelWarn
	if cause == errEnoughSucceeded {
		level = slog.LevelInfo
	}
	l.write(level, "run stops", "cause", l.text(cause))
}

// retrying reports an attempt that another follows.
func (l *runLog) retrying(info Info, err error, wait time.Duration) {
	if !l.wants(slog.LevelDebug) {
		return
	}
	l.write(slog.LevelDebug, "call failed, will be retried", "item", shownID(l.rules, &info), "attempt", info.Attempt, "wait", wait,
		"error", l.itemText(err, &info))
}

// throttled reports the first call that a server has throttled, and, at the level Debug, each time
// that the run slows down.
func (l *runLog) throttled(first bool, at gate.State, asked time.Duration) {
	level := slog.LevelDebug
	if first {
		level = slog.LevelWarn
	}
	if l.wants(level) {
		l.write(level, "a server throttles, the run slows down", "asked", asked, "limit", at.Slots, "rate", at.Rate)
	}
}

// crowded reports once that reading pauses, at this many waiting items.
func (l *runLog) crowded(waiting int) {
	if !l.paused.Swap(true) {
		l.write(slog.LevelWarn, "reading pauses until some retries have started", "waiting", waiting)
	}
}

// failed reports the first failure of each class, and when the failures reach half and nine tenths
// of the tolerance, of which used is the share.
func (l *runLog) failed(err *ItemError, used float64) {
	if !l.wants(slog.LevelWarn) {
		return
	}
	if class, first := l.firstOf(err); first {
		l.write(slog.LevelWarn, "first failure of a class", "class", class, "item", shownID(l.rules, &err.Info), "attempt", err.Info.Attempt,
			"error", l.itemText(err.Err, &err.Info))
	}
	if share := l.reached(used); share > 0 {
		l.write(slog.LevelWarn, "failures near the tolerance", "percentOfTolerance", share)
	}
}

// firstOf returns the class of err, and whether it is new.
func (l *runLog) firstOf(err *ItemError) (class string, first bool) {
	l.mu.Lock()
	full := len(l.classes) >= maxLoggedClasses
	l.mu.Unlock()
	if full {
		return "", false
	}
	class = Class(err.Err)
	class = scrub.Text(class, maxLoggedClass)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.classes[class]; known {
		return class, false
	}
	l.classes[class] = struct{}{}
	return class, true
}

// reached returns 50 or 90 when used has reached that share for the first time, else 0.
func (l *runLog) reached(used float64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, share := range []int{90, 50} {
		if used*100 >= float64(share) && l.warned < share {
			l.warned = share
			return share
		}
	}
	return 0
}

// ended reports the end of the run, or of this process if the run stays open. failure is the text
// of its error, empty if there is none. place is where its manifest or its commits are, empty if no
// sink says it.
func (l *runLog) ended(s Stats, failure, place string) {
	args := []any{
		"read", s.Read, "succeeded", s.Succeeded, "failed", s.Failed, "skipped", s.Skipped, "held", s.Held, "pending", s.Pending,
		"calls", s.Calls, "retries", s.Retries, "elapsed", s.Elapsed, "state", s.State, "reason", s.Reason,
	}
	if place != "" {
		args = append(args, "results", place)
	}
	if failure != "" {
		l.write(slog.LevelError, "run ended with an error", append(args, "error", scrub.Clip(failure, maxText))...)
		return
	}
	l.write(slog.LevelInfo, "run ended", args...)
}

// used is the share of the tolerance that failed failures among of items have used: 1 when one more
// failure may exceed it. It only serves the log; exceeded judges.
func (t Tolerance) used(failed, of int64) float64 {
	var share float64
	if t.Count > 0 {
		share = float64(failed) / float64(t.Count)
	}
	if t.Percentage > 0 && of >= t.limits().Sample() {
		share = max(share, float64(failed)*100/(t.Percentage*float64(of)))
	}
	return share
}

// noItems logs the success of a run without any item, which may be a mistake of its caller.
func (l *runLog) noItems(e Ending, source string) {
	if s := e.Stats; e.Err == nil && s.Read == s.Skipped && s.BrokenObjects == 0 {
		l.write(slog.LevelWarn, "run had no items", "source", source, "skipped", s.Skipped)
	}
}

// brokeOff logs an object that breaks off.
func (l *runLog) brokeOff(err *BrokenObjectError) {
	l.write(slog.LevelWarn, "object breaks off, its rest stays unread", "error", l.text(err))
}

// leavesOut logs the folder of a run that a listing leaves out.
func (l *runLog) leavesOut(folder string) {
	l.write(slog.LevelInfo, "listing leaves out the results of a run", "folder", folder)
}

// maxNotices is the number of texts of a source that are logged.
const maxNotices = 20

// noticed returns a function that logs texts of a source, each of the first once.
func (l *runLog) noticed() func(text string) {
	var mu sync.Mutex
	logged := map[string]bool{}
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if logged[text] || len(logged) > maxNotices {
			return
		}
		logged[text] = true
		if len(logged) > maxNotices {
			text = "the source has more such lines, which are not logged"
		}
		l.write(slog.LevelWarn, text)
	}
}
