package browser

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/source"
)

// failingRun is a run that fails with a number of kinds of failures, one after the other, and its
// page. around changes its handler. All items fail, so that no percentage is judged: a slow machine
// would end the run.
func failingRun(t *testing.T, kinds int, around func(http.Handler) http.Handler) (run *dmap.Run, url string) {
	t.Helper()
	page, err := dmapweb.New(dmapweb.Options{Authorize: dmapweb.LocalOnly})
	require.NoError(t, err)
	server := serve(t, page, around(page))
	run, err = dmap.Start(t.Context(), source.Slice(make([]int, 1_000_000)), func(ctx context.Context, _ int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		return 0, fmt.Errorf("kind %c%c", 'a'+info.Index%int64(kinds)/5, 'a'+info.Index%int64(kinds)%5)
	}, dmap.Options{RunID: "failing", MaxConcurrency: 2, Observer: page.Observer(), Tolerance: dmap.Tolerance{Percentage: 100, MinItems: 1_000_000}})
	require.NoError(t, err)
	t.Cleanup(func() {
		run.Cancel(nil)
		<-run.Done()
	})
	return run, server + "/?run=failing"
}

func unchanged(h http.Handler) http.Handler { return h }

// hide makes the tab one that nobody sees, or one that somebody does.
func (b *tab) hide(hidden bool) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`(Object.defineProperty(document, "hidden", { value: %t, configurable: true }), document.dispatchEvent(new Event("visibilitychange")), true)`, hidden))
}

// A browser has six connections to a server: the seventh tab of a person would hang.
func TestATabThatNobodySeesHoldsNoStream(t *testing.T) {
	var streams atomic.Int64
	_, url := failingRun(t, 5, func(page http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/events") {
				streams.Add(1)
				defer streams.Add(-1)
			}
			page.ServeHTTP(w, r)
		})
	})
	b := newTab(t, 1200, 900)
	b.open(url)
	b.until(`document.getElementById("link").textContent === "live"`)
	require.EqualValues(t, 1, streams.Load())
	b.hide(true)
	require.Eventually(t, func() bool { return streams.Load() == 0 }, 10*time.Second, 10*time.Millisecond)
	b.wait(6 * time.Second)
	require.Zero(t, streams.Load())
	b.hide(false)
	require.Eventually(t, func() bool { return streams.Load() == 1 }, 10*time.Second, 10*time.Millisecond)
	b.until(`document.getElementById("link").textContent === "live"`)
	b.quiet()
}

// The page works with a clock that is wrong, and that is set while it works: its stream breaks off
// then, and it polls.
func TestThePageDependsOnNoClockOfTheReader(t *testing.T) {
	for _, hours := range []int{-1, 1} {
		t.Run(fmt.Sprint(hours), func(t *testing.T) {
			var blocked atomic.Bool
			cut := make(chan struct{})
			_, url := failingRun(t, 5, func(page http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/events") {
						if blocked.Load() {
							http.Error(w, "no streams", http.StatusServiceUnavailable)
							return
						}
						ctx, cancel := context.WithCancel(r.Context())
						defer cancel()
						go func() {
							select {
							case <-cut:
								cancel()
							case <-ctx.Done():
							}
						}()
						r = r.WithContext(ctx)
					}
					page.ServeHTTP(w, r)
				})
			})
			b := newTab(t, 1200, 900)
			b.open(url)
			b.until(shown(".group .seen", "first"))
			b.until(`document.getElementById("link").textContent === "live"`)
			const failed = `Number([...document.querySelectorAll(".legend li")].find((e) => e.textContent.includes("failed")).querySelector("b").textContent.replaceAll(",", ""))`
			blocked.Store(true)
			close(cut)
			value[bool](b, fmt.Sprintf(`(() => { const Real = Date, by = %d * 3600e3; window.Date = class extends Real { constructor(...a) { a.length ? super(...a) : super(Real.now() + by) } static now() { return Real.now() + by } }; return true })()`, hours))
			b.wait(4 * time.Second)
			before := value[int](b, failed)
			b.until(fmt.Sprintf("%s > %d", failed, before))
			b.until(`document.getElementById("link").textContent === "polling"`)
			require.Regexp(t, `last (\d+ ms|0 s|[\d.]+ s) ago`, value[string](b, `document.querySelector(".group .seen").textContent`))
			b.quiet("/events", "503")
		})
	}
}

// Keys do not reach the page from an open dialog, wherever its focus is.
func TestKeysDoNothingWhileADialogIsOpen(t *testing.T) {
	run, url := failingRun(t, 5, unchanged)
	b := newTab(t, 1200, 900)
	b.open(url)
	b.until(shown(".group-head", "kind"))
	b.until(shown("#controls .controls button", "Pause"))
	b.keys("?")
	b.until(`document.getElementById("dialog").open`)
	value[bool](b, `(document.activeElement.blur(), true)`)
	b.keys(" ")
	b.keys("+")
	b.wait(time.Second)
	require.False(t, run.Stats().Paused)
	require.Equal(t, 2, run.Stats().Limit)
	value[bool](b, `(document.getElementById("dialog").close(), true)`)
	b.keys(" ")
	require.Eventually(t, func() bool { return run.Stats().Paused }, 10*time.Second, 10*time.Millisecond)
	b.quiet()
}

// The groups beyond those of a message count on, once they are shown.
func TestSmallerGroupsAreKeptUpToDate(t *testing.T) {
	_, url := failingRun(t, 25, unchanged)
	b := newTab(t, 1200, 900)
	b.open(url)
	b.until(shown("button", "Show 13 smaller groups"))
	b.click("button", "Show 13 smaller groups")
	b.until(`document.querySelectorAll(".group").length === 25`)
	const least = `Math.min(...[...document.querySelectorAll(".group-head > b")].map((e) => Number(e.textContent)))`
	before := value[int](b, least)
	b.until(fmt.Sprintf("%s > %d", least, before+3))
	b.quiet()
}

// A tolerance that ends the run at once is asked about.
func TestATightToleranceIsAskedAbout(t *testing.T) {
	run, url := failingRun(t, 5, unchanged)
	b := newTab(t, 1200, 900)
	b.open(url)
	b.until(shown("#controls .controls button", "Pause"))
	require.Eventually(t, func() bool { return run.Stats().Failed > 5 }, 10*time.Second, 10*time.Millisecond)
	b.wait(1500 * time.Millisecond) // the page knows them
	set := func(percent string) {
		value[bool](b, `(() => { const i = document.querySelector('input[aria-label="Tolerated failures, percent"]'); i.value = "`+percent+`"; i.form.requestSubmit(); return true })()`)
	}
	set("") // an empty field is no tolerance at all
	b.until(shown("#dialog p", "more than the new tolerance allows (none)"))
	b.click("#dialog button", "Keep running")
	b.wait(500 * time.Millisecond)
	require.Equal(t, dmap.StateRunning, run.Stats().State)
	set("99")
	b.until(shown(".control .current", "now 99 %"))
	set("")
	b.click("#dialog button", "Fail the run")
	require.Eventually(t, func() bool { return run.Stats().State == dmap.StateEnded }, 10*time.Second, 10*time.Millisecond)
	_, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrTolerance)
	b.quiet()
}

// A page whose first question fails gets its controls later.
func TestAPageThatStartsWithAFailureGetsItsControls(t *testing.T) {
	var asked atomic.Int64
	_, url := failingRun(t, 5, func(page http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/session") && asked.Add(1) == 1 {
				http.Error(w, "restarting", http.StatusBadGateway)
				return
			}
			page.ServeHTTP(w, r)
		})
	})
	b := newTab(t, 1200, 900)
	b.open(url)
	b.until(shown(".group-head", "kind"))
	b.until(shown("#controls .controls button", "Pause"))
	b.quiet("502")
}
