package progress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("PROGRESS_CHILD"); mode != "" {
		child(mode)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// steady is a run that settles items at a constant rate for some time.
type steady struct {
	dmap.LiveRun // nil: its other methods are not called

	started   time.Time
	perSecond int64
	takes     time.Duration
	done      chan struct{}
}

// start starts the run. It must end within the synctest bubble of the caller.
func start(perSecond int64, takes time.Duration) *steady {
	s := &steady{started: time.Now(), perSecond: perSecond, takes: takes, done: make(chan struct{})}
	time.AfterFunc(takes, func() { close(s.done) })
	return s
}

func (s *steady) Wait() (dmap.Stats, error)          { return s.Stats(), nil }
func (s *steady) Written() int64                     { return 0 }
func (s *steady) ID() string                         { return "night" }
func (s *steady) Done() <-chan struct{}              { return s.done }
func (s *steady) Times() dmap.Times                  { return dmap.Times{} }
func (s *steady) InFlight(n int) []dmap.InFlightCall { return nil }
func (s *steady) Stats() dmap.Stats {
	elapsed := min(time.Since(s.started), s.takes)
	n := s.perSecond * int64(elapsed) / int64(time.Second)
	stats := dmap.Stats{
		RunID: "night", Read: n + 7, Succeeded: n, Pending: 7, Limit: 100, InFlight: 7, Elapsed: elapsed, State: dmap.StateRunning,
	}
	if elapsed == s.takes {
		stats.State, stats.Reason, stats.InFlight, stats.Pending, stats.Read = dmap.StateEnded, "succeeded", 0, 0, n
	}
	return stats
}

// fields are the pairs of a line.
func fields(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for text = strings.TrimSuffix(text, "\n"); text != ""; {
		key, rest, ok := strings.Cut(text, "=")
		require.True(t, ok, text)
		var value string
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for ; end < len(rest) && rest[end] != '"'; end++ {
				if rest[end] == '\\' {
					end++
				}
			}
			require.Less(t, end, len(rest), text)
			value, text = rest[1:end], strings.TrimPrefix(rest[end+1:], " ")
		} else {
			value, text, _ = strings.Cut(rest, " ")
		}
		require.NotContains(t, out, key)
		out[key] = value
	}
	return out
}

func TestShowWritesALineEveryTenSecondsToALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		begin := time.Now()
		Show(&out, start(1000, 35*time.Second), Options{Total: 35_000})
		require.Equal(t, 35*time.Second, time.Since(begin))
		lines := strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
		require.Len(t, lines, 4)
		for i, text := range lines[:3] {
			f := fields(t, text)
			require.Equal(t, "night", f["run"])
			require.Equal(t, "running", f["state"])
			require.Equal(t, "35000", f["total"])
			require.Equal(t, "1000", f["items_per_s"])
			require.Equal(t, "7", f["calls_in_flight"])
			require.Equal(t, "100", f["call_limit"])
			require.Equal(t, fmt.Sprint(10_000*(i+1)), f["settled"])
			require.Equal(t, f["settled"], f["succeeded"])
			require.Contains(t, f, "eta")
		}
		f := fields(t, lines[3])
		require.Equal(t, "succeeded", f["state"])
		require.Equal(t, "35000", f["settled"])
		require.Equal(t, "100", f["percent"])
		require.Equal(t, "35", f["took_s"])
		require.Equal(t, "INFO", f["level"])
	})
}

func TestShowUsesTheIntervalOfItsOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		Show(&out, start(3, 10*time.Second+time.Millisecond), Options{Every: time.Second})
		require.Equal(t, 11, strings.Count(out.String(), "\n"))
		require.Contains(t, out.String(), "reading=true", "no total is known")
	})
}

func TestShowOfAnEndedRunWritesOnlyTheFinalLine(t *testing.T) {
	run := &steady{started: time.Now(), done: make(chan struct{})}
	close(run.done)
	var out bytes.Buffer
	Show(&out, run, Options{})
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Equal(t, "succeeded", fields(t, out.String())["state"])
}

func TestShowContinuesWhenWritesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		Show(broken{}, start(1, time.Minute), Options{})
		require.Equal(t, time.Minute, time.Since(begin))
		d, _ := onScreen(80, Options{})
		d.out.(*block).w = broken{}
		d.show(d.set.Add(start(1, time.Minute)))
		require.Equal(t, 2*time.Minute, time.Since(begin))
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

// onScreen is a Display on a terminal of some columns.
func onScreen(columns int, opts Options) (*Display, *screen) {
	s := newScreen(columns)
	d := newDisplay(opts, nil, EveryTerminal)
	d.out = &block{w: s, size: s.size, hint: d.hint}
	return d, s
}

func TestShowRewritesLinesOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(100, Options{Total: 4000})
		shown := make(chan struct{})
		go func() {
			defer close(shown)
			d.show(d.set.Add(start(1000, 2*time.Second+time.Millisecond)))
		}()
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		live := s.lines()
		require.Len(t, live, 4)
		require.Regexp(t, `^Running, 25 %`, live[0])
		require.Regexp(t, `^\[#{4}>\.{11}\] 1,000 of 4,000 items, 25 %: 1,000 succeeded, 7 in flight, 2,993 unread$`, live[1])
		require.Equal(t, "1,000 items/s; 7 of 100 calls in use", live[2])
		require.Contains(t, live[3], "No commit yet")
		<-shown
		final := s.lines()
		require.Equal(t, []string{
			"night: Succeeded.", "[################] 2,001 of 2,001 items, 100 %: 2,001 succeeded", "took 2 s: 1,000 items/s", "",
		}, final)
		require.Empty(t, s.wrong)
		require.GreaterOrEqual(t, s.writes, 4*2)
	})
}

func (d *Display) drawing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stop != nil
}

// failing is a run in which calls fail, are retried and hang.
func failing(ctx context.Context, observer *dmap.Observer, more func(*dmap.Options)) (*dmap.Run, error) {
	opts := dmap.Options{
		RunID: "night", MaxConcurrency: 5, Observer: observer, Tolerance: dmap.Tolerance{Percentage: 100}, Retry: dmap.Retry{MaxAttempts: 1},
	}
	if more != nil {
		more(&opts)
	}
	return dmap.Start(ctx, source.Slice(make([]int, 200)), func(ctx context.Context, _ int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		time.Sleep(470 * time.Millisecond) // all calls are slow: each slot has work of its own
		switch {
		case info.Index == 0:
			time.Sleep(20 * time.Second)
		case info.Index%4 == 1:
			return 0, fmt.Errorf("order %d: card expired", info.Index)
		case info.Index%9 == 2:
			return 0, errors.New("GET http://localhost: 503 Service Unavailable")
		}
		return 0, nil
	}, opts)
}

func TestALineOfMapShowsAllSixLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(200, Options{Total: 200})
		run, err := failing(t.Context(), d.Observer(), nil)
		require.NoError(t, err)
		time.Sleep(10100 * time.Millisecond)
		synctest.Wait()
		live := s.lines()
		require.Len(t, live, 6, live)
		require.Regexp(t, `^Running, `, live[0])
		require.Regexp(t, `^\[[#x>.]{24}\] \d+ of 200 items, \d+ %: `, live[1])
		require.Regexp(t, `items/s; .* failed/s; [45] of 5 calls in use; call p50 \d+ ms, p95 \d+ ms, max \d+ ms; `, live[2])
		require.Regexp(t, `^failures: \d+ x order <?.*card expired \| \d+ x GET .*503 Service Unavailable$`, live[3])
		require.Equal(t, "oldest call: item@0, 10 s, much longer than others", live[4])
		_, err = run.Wait()
		require.NoError(t, err)
		final := s.lines()
		require.Regexp(t, `^night: Succeeded, with \d+ tolerated failures\.$`, final[0])
		require.LessOrEqual(t, len(final), 7)
		require.Empty(t, final[len(final)-1], "the prompt of a shell comes on a line of its own")
		require.Empty(t, s.wrong)
	})
}

func TestLinesOfALoggerStayAboveTheBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(120, Options{})
		logger := slog.New(slog.NewTextHandler(d, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		run, err := failing(t.Context(), d.Observer(), func(o *dmap.Options) { o.Logger = logger })
		require.NoError(t, err)
		var said []string
		for i := range 20 {
			time.Sleep(300 * time.Millisecond)
			logger.Info("line", "number", i)
			said = append(said, fmt.Sprintf("level=INFO msg=line number=%d", i))
		}
		synctest.Wait()
		all := strings.Join(s.lines(), "\n")
		at := 0
		for _, line := range said {
			i := strings.Index(all[at:], line+"\n")
			require.GreaterOrEqual(t, i, 0, "%s is not in\n%s", line, all)
			at += i
		}
		require.Equal(t, 1, strings.Count(all, "Running"), "one block, below:\n%s", all)
		require.Greater(t, strings.Index(all, "Running"), at)
		_, err = run.Wait()
		require.NoError(t, err)
		require.Equal(t, 0, strings.Count(strings.Join(s.lines(), "\n"), "Running"))
		require.Empty(t, s.wrong)
	})
}

func TestAWriterGetsWhatIsWrittenWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	d := New(&out, Options{})
	n, err := d.Write([]byte("a line\n"))
	require.NoError(t, err)
	require.Equal(t, 7, n)
	require.Equal(t, "a line\n", out.String())
	d.Close()
}

// Keys, errors and IDs of runs have any characters: none of them moves the cursor.
func TestHostileTextsMoveNothing(t *testing.T) {
	hostile := []string{
		"\x1b[2J\x1b[H", "\x1b]0;title\x07", "a\rb", "a\nb\nc", "\x9b2J", "\u202eabc", "\x00\x08\x08\x08", "\xff\xfe", strings.Repeat("k", 5000), "日本語のキー" + strings.Repeat("字", 300),
		"\x1bc", "\u200b\u2066x", "e\u0301", "👩‍👩‍👧‍👦", "tab\there", "\u2028line", "%d%s",
	}
	for _, columns := range []int{1, 2, 10, 40, 79, 200} {
		for _, text := range hostile {
			synctest.Test(t, func(t *testing.T) {
				d, s := onScreen(columns, Options{})
				log, logged := newDisplay(Options{}, nil, time.Second), &bytes.Buffer{}
				log.out = &lines{w: logged}
				opts := dmap.Options{
					MaxConcurrency: 2, Observer: dmap.JoinObservers(d.Observer(), log.Observer()), Tolerance: dmap.Tolerance{Percentage: 100}, Retry: dmap.Retry{MaxAttempts: 2},
				}
				keys := make(keyedItems, 3)
				for i := range keys {
					keys[i] = text
				}
				run, err := dmap.StartBatch(t.Context(), dmap.Source[int](keys), batch.Limits{Items: 1}, func(ctx context.Context, items []dmap.Item[int]) ([]int, error) {
					if items[0].Offset == 0 {
						return nil, errors.New(text)
					}
					time.Sleep(3 * time.Second)
					return make([]int, len(items)), nil
				}, opts)
				require.NoError(t, err)
				most := 0
				for range 10 {
					time.Sleep(250 * time.Millisecond)
					synctest.Wait()
					most = max(most, len(s.lines()))
				}
				require.LessOrEqual(t, most, maxLines, "no line wraps: %q", s.lines())
				_, err = run.Wait()
				require.NoError(t, err)
				require.Empty(t, s.wrong, "%q", text)
				for line := range strings.Lines(logged.String()) {
					require.NotEmpty(t, fields(t, line)["run"])
				}
				require.NotContains(t, logged.String(), "\x1b")
			})
		}
	}
}

// keyedItems yields an item for each key.
type keyedItems []string

func (k keyedItems) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i, key := range k {
			if !yield(dmap.Item[int]{Key: key, Offset: int64(i), Next: dmap.Cursor{Offset: int64(i + 1)}}, nil) {
				return
			}
		}
	}
}

func TestANarrowerTerminalIsRewrittenInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(150, Options{})
		fmt.Fprintln(s, "before")
		run, err := failing(t.Context(), d.Observer(), nil)
		require.NoError(t, err)
		for _, columns := range []int{150, 60, 30, 20, 100} {
			time.Sleep(time.Second)
			synctest.Wait()
			s.resize(columns)
			time.Sleep(250 * time.Millisecond)
			synctest.Wait()
			lines := s.lines()
			require.Equal(t, "before", lines[0])
			require.LessOrEqual(t, len(lines), 1+6, "%d columns: %q", columns, lines)
			require.Equal(t, 1, strings.Count(strings.Join(lines, "\n"), "Running"), lines)
		}
		_, err = run.Wait()
		require.NoError(t, err)
	})
}

func TestALowTerminalShowsFewerLines(t *testing.T) {
	list := []line{{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}}
	require.Len(t, fitted(list, 80, 3), 2)
	require.Len(t, fitted(list, 80, 1), 1)
	require.Len(t, fitted(list, 80, 0), 4)
}

func TestSeveralRunsShareOneDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(150, Options{})
		o := d.Observer()
		var runs sync.WaitGroup
		for i := range 3 {
			runs.Go(func() {
				_, err := dmap.Map(t.Context(), source.Slice(make([]int, 10)), func(context.Context, int) (int, error) {
					time.Sleep(time.Duration(i+1) * time.Second)
					return 0, nil
				}, dmap.Options{RunID: fmt.Sprintf("run-%d", i), MaxConcurrency: 2, Observer: o})
				require.NoError(t, err)
			})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(3300 * time.Millisecond)
		synctest.Wait()
		require.Regexp(t, `^run-2 \(and 2 other runs\): Running`, s.lines()[0])
		runs.Wait()
		all := strings.Join(s.lines(), "\n")
		for i := range 3 {
			require.Equal(t, 1, strings.Count(all, fmt.Sprintf("run-%d: Succeeded.", i)), all)
		}
		require.NotContains(t, all, "Running")
	})
}

func TestARunAfterAnotherIsShownToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(150, Options{})
		for i := range 3 {
			run, err := failing(t.Context(), d.Observer(), func(o *dmap.Options) { o.RunID = fmt.Sprint("run-", i) })
			require.NoError(t, err)
			_, err = run.Wait()
			require.NoError(t, err)
			require.Contains(t, strings.Join(s.lines(), "\n"), fmt.Sprintf("run-%d: Succeeded", i))
			require.False(t, d.drawing(), "nothing is drawn between runs")
		}
	})
}

// The engine passes no events on after a function that does not return: RunEnded is lost.
func TestARunWhoseEndIsLostEndsOnTheDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(150, Options{})
		release := make(chan struct{})
		blocks := &dmap.Observer{PhaseChanged: func(context.Context, dmap.PhaseEvent) { <-release }}
		run, err := failing(t.Context(), dmap.JoinObservers(d.Observer(), blocks), nil)
		require.NoError(t, err)
		_, err = run.Wait()
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Contains(t, strings.Join(s.lines(), "\n"), "night: Succeeded")
		require.False(t, d.drawing())
		close(release)
		d.Close()
	})
}

func TestCloseEndsTheDisplayOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(150, Options{})
		run, err := failing(t.Context(), d.Observer(), nil)
		require.NoError(t, err)
		time.Sleep(1100 * time.Millisecond)
		shown := s.lines()
		d.Close()
		require.Equal(t, []int{len(s.rows) - 1, 0}, []int{s.row, s.col}, "a prompt begins a line of its own")
		_, err = d.Write([]byte("bye\n"))
		require.NoError(t, err)
		require.Equal(t, append(slices.Clone(shown), "bye", ""), s.lines(), "the lines stay")
		writes := s.writes
		_, err = run.Wait()
		require.NoError(t, err)
		require.Equal(t, writes, s.writes)
		d.Close()
	})
}

func TestOnlyTerminalsAreTerminals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	require.False(t, isTerminal(file))
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	require.False(t, isTerminal(null))
	_, ok := interactive(&bytes.Buffer{})
	require.False(t, ok)
	require.NoError(t, null.Close())
	require.NoError(t, file.Close())
	require.False(t, isTerminal(file), "a closed file")
	require.True(t, dumb("dumb"))
	require.False(t, dumb("xterm-256color"))
}
