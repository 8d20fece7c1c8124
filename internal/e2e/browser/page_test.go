package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// succeeded is an expression for the number of succeeded items that the page shows.
const succeeded = `Number([...document.querySelectorAll(".legend li")].find((e) => e.textContent.includes("succeeded")).querySelector("b").textContent.replaceAll(",", ""))`

// A reader watches a run, changes it, and looks at its failures. The same under a path.
func TestThePageShowsAndChangesALiveRun(t *testing.T) {
	for name, prefix := range map[string]string{"root": "", "path": "/ops/jobs"} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, 1200, 900)
			live := startLive(t, prefix)
			b.open(live.url)
			b.click("a", "live")
			b.until(shown(".badge", "running"))
			first := value[int](b, succeeded)
			b.until(fmt.Sprintf("%s > %d", succeeded, first))
			b.until(`document.getElementById("link").textContent === "live"`)

			// concurrency, by the form and by keys
			value[bool](b, `(() => { const i = document.querySelector("#controls input"); i.focus(); i.value = "55"; i.dispatchEvent(new Event("input", {bubbles: true})); return true })()`)
			b.click("#controls form button", "Set")
			b.until(shown("#controls .current", "now 55"))
			require.Equal(t, 55, live.run.Stats().Limit)
			b.until(shown("#calls .total", "of 55 in flight"))
			b.keys("+")
			b.until(shown("#controls .current", "now 61"))
			value[bool](b, `document.querySelector(".log").open = true`)
			b.until(shown(".events li", "concurrency: 40 to 55 calls"))
			b.until(`document.querySelectorAll(".mark.edit").length > 0`)

			// pause and resume
			b.keys(" ")
			b.until(shown(".badge", "paused"))
			require.True(t, live.run.Stats().Paused)
			b.click("#controls button", "Resume")
			b.until(shown(".badge", "running"))
			require.False(t, live.run.Stats().Paused)

			// from a group to an item
			b.until(shown(".group-head", ""))
			b.keys("f")
			b.until(`document.activeElement.classList.contains("group-head")`)
			b.keys("\r")
			b.until(shown(".samples button", "applications/"))
			id := value[string](b, `document.querySelector(".samples button").textContent`)
			b.click(".samples button", id)
			b.until(shown("#dialog h2", id))
			b.until(shown("#dialog dd", "failed"))
			require.Contains(t, value[string](b, `document.getElementById("dialog").innerText`), "Idempotency key")
			b.click("#dialog button", "Close")
			require.Contains(t, value[string](b, "location.href"), "#group=")
			b.until(`document.querySelector(".panel:not([hidden]) a[download]").href.includes("failures.csv?group=")`)

			// a redrive of a run that works is explained, not started
			b.click(".panel button", "Redrive these")
			b.until(shown("#preview", "failed item"))
			b.until(shown("#dialog .next", "The run works"))
			require.True(t, value[bool](b, `[...document.querySelectorAll("#dialog .actions button")].every((e) => e.disabled)`))
			b.click("#dialog button", "Close")

			// cancel asks first
			b.click("#controls button", "Cancel…")
			b.until(shown("#dialog p", "ends for good"))
			require.Equal(t, dmap.StateRunning, live.run.Stats().State)
			b.click("#dialog button", "Cancel the run")
			_, err := live.run.Wait()
			require.ErrorIs(t, err, dmap.ErrCanceled)
			b.until(shown(".badge", "canceled"))
			require.Contains(t, value[string](b, `document.querySelector(".verdict .next").textContent`), "Canceled: true")
			b.quiet()
		})
	}
}

// blocked is a host whose proxy holds back streams.
func TestThePagePollsWhereStreamsAreBlocked(t *testing.T) {
	for name, block := range map[string]func(http.ResponseWriter, *http.Request){
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"silent":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, 1200, 900)
			live := startLive(t, "", func(page http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/events") {
						block(w, r)
						return
					}
					page.ServeHTTP(w, r)
				})
			})
			b.open(live.url + "?run=live")
			b.until(shown(".badge", "running"))
			first := value[int](b, succeeded)
			b.until(`document.getElementById("link").textContent === "polling"`)
			b.until(fmt.Sprintf("%s > %d", succeeded, first))
			b.keys(" ")
			b.until(shown(".badge", "paused"))
			b.until(`(document.querySelectorAll(".curve.good")[0].getAttribute("d") || "").length > 20`)
			b.quiet("/events")
		})
	}
}

// The page reads all of a run whose process has died from its bucket.
func TestADeadRunOpensFromTheBucket(t *testing.T) {
	b := newTab(t, 1200, 900)
	live := startLive(t, "")
	failed(t, live.bucket, "nightly")
	dead(t, live.bucket, "dead")
	b.open(live.url)
	b.click("a", "dead")
	b.until(shown(".badge", "open"))
	b.until(shown(".verdict", "its process died"))
	b.until(shown(".verdict .next", "start the program again with run ID dead"))
	b.until(shown("#durability summary", "result object"))
	require.Positive(t, value[int](b, succeeded))
	b.until(shown(".group-head", "no rate for year"))
	require.False(t, value[bool](b, "Boolean("+shown("#controls", "")+")"), "nobody can control it")

	b.open(live.url + "?run=nightly")
	b.until(shown(".badge", "failed"))
	b.until(shown(".group-head", "insolvent"))
	require.False(t, value[bool](b, "Boolean("+shown(".chart figcaption", "Items a second")+")"), "nobody knows them")
	n := value[int](b, `Number(`+shown(".group-head", "insolvent")+`.querySelector("b").textContent)`)
	require.Greater(t, n, 50)
	b.click(".group-head", "insolvent")
	b.click(".panel button", fmt.Sprintf("List all %d", n))
	b.until(`document.querySelectorAll(".panel tbody tr").length === 50`)
	b.click(".panel button", "Load more")
	b.until(fmt.Sprintf(`document.querySelectorAll(".panel tbody tr").length === %d`, min(n, 100)))
	id := value[string](b, `document.querySelectorAll(".panel tbody tr")[7].querySelector("button").textContent`)
	b.keys("/")
	b.until(`document.activeElement.type === "search"`)
	value[bool](b, `(document.activeElement.value = "") || true`) // the driver types the key itself, too
	b.keys(id)
	b.until(`document.querySelectorAll(".found tbody tr").length === 1`)
	b.click(".found tbody button", id)
	b.until(shown("#dialog pre", "insolvent"))
	b.until(shown("#dialog pre", id)) // the input names the object
	b.click("#dialog button", "Close")

	// a trial of ten by the function of the host, which the page follows
	b.keys("\x1b")
	value[bool](b, `(() => { const i = document.querySelector("input[type=search]"); i.value = ""; i.dispatchEvent(new Event("input")); return true })()`)
	b.click(".panel button", "Redrive these")
	b.until(shown("#preview", fmt.Sprintf("%d failed items", n)))
	b.click("#dialog button", "Try 10 of them")
	b.until(shown("#dialog .notice", "has begun"))
	b.until(shown(".facts", "1 redrive"))
	b.until(shown(".badge", "failed")) // it has ended, and the same code has failed again
	value[bool](b, `document.querySelector(".log").open = true`)
	b.until(shown(".events li", "redrive 1 begins"))
	b.quiet()
}

// A new user has the run ID from the log of the nightly job, and wants the items that have failed.
func TestAReaderFindsTwelveFailuresInThreeActions(t *testing.T) {
	b := newTab(t, 1200, 900)
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	n := testsize.Sizes{Short: 7_000, Race: 70_000, Usual: 700_000}.Now()
	items := make([]int, n)
	for i := range items {
		items[i] = i
	}
	_, err := dmap.Map(t.Context(), source.Slice(items), func(_ context.Context, i int) (int, error) {
		if i%(n/12) == 5 && i < n/12*12 {
			return 0, fmt.Errorf("charge %d: card declined", i)
		}
		return i, nil
	}, dmap.Options{RunID: "nightly", MaxConcurrency: 8, Tolerance: dmap.Tolerance{Count: 12}},
		sink.Bucket[int](bucket, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
	require.NoError(t, err)
	b.open(servePage(t, bucket, false, nil) + "?run=nightly")                           // 1
	b.click(".group-head", "charge <n>: card declined")                                 // 2
	b.until(shown(".group-head b", "12"))                                               // all of them are in one group
	b.click(".samples button", "item@5")                                                // 3
	b.until(shown("#dialog pre", "charge 5: card declined"))                            // the error
	b.until(shown("#dialog dl", "Idempotency key"))                                     // by which the service knows it
	b.until(`[...document.querySelectorAll("#dialog pre")].at(-1).textContent === "5"`) // its input
	b.quiet()
}

// The failures of a stored run over time are known from their groups.
func TestFailuresOfAStoredRunAreDrawnOverTime(t *testing.T) {
	b := newTab(t, 1200, 900)
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	_, err := dmap.Map(t.Context(), source.Slice(make([]int, 40)), func(ctx context.Context, _ int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		<-time.After(100 * time.Millisecond)
		return 0, fmt.Errorf("no rate for year %d", info.Index)
	}, dmap.Options{RunID: "nightly", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 40}}, sink.Bucket[int](bucket, "runs/"))
	require.NoError(t, err)
	b.open(servePage(t, bucket, false, nil) + "?run=nightly")
	b.until(shown(".chart figcaption", "Failures a second"))
	b.until(`(document.querySelector(".chart:not([hidden]) .curve").getAttribute("d") || "").length > 20`)
	// a group of a redrive years later, with intervals of a second
	value[bool](b, `(import("./assets/trend.js").then((m) => { window.apart = m.trendSeries([
		{ trend: { start: 1700000000, width: 1, counts: [1, 2] } }, { trend: { start: 1800000000, width: 1, counts: [5] } },
	]).points }), true)`)
	b.until("window.apart")
	require.LessOrEqual(t, value[int](b, "window.apart.length"), 241)
	require.Equal(t, 8, value[int](b, "window.apart.reduce((sum, p) => sum + p.f, 0)"))
	b.quiet()
}

// The edits of a stored run are marks on its chart and lines of its events, and its tolerance is a
// gauge.
func TestEditsOfAStoredRunAreMarks(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	run, err := dmap.Start(t.Context(), source.Slice(make([]int, 60)), func(context.Context, int) (int, error) {
		<-time.After(100 * time.Millisecond)
		return 0, errors.New("no rate")
	}, dmap.Options{RunID: "nightly", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 90}}, sink.Bucket[int](bucket, "runs/"))
	require.NoError(t, err)
	<-time.After(2 * time.Second)
	for n := range 101 { // one more than are kept
		require.NoError(t, run.SetMaxConcurrency(n%2+1))
	}
	require.NoError(t, run.SetTolerance(dmap.Tolerance{Count: 120}))
	_, err = run.Wait()
	require.NoError(t, err)
	b := newTab(t, 1200, 900)
	b.open(servePage(t, bucket, false, nil) + "?run=nightly")
	b.until(shown(".fuel span", "60 of 120 tolerated failures used"))
	require.InDelta(t, 0.5, value[float64](b, `document.querySelector(".fuel meter").value`), 1e-6)
	b.until(`document.querySelectorAll(".chart:not([hidden]) .mark.edit").length === 100`)
	value[bool](b, `document.querySelector(".log").open = true`)
	b.until(shown(".events li", "tolerance: 90 items to 120 items"))
	b.until(shown(".events li", "concurrency: 1 to 2 calls"))
	b.until(shown(".log p", "1 event"))
	require.Equal(t, 100, value[int](b, `document.querySelectorAll(".events li").length`))
	b.quiet()
}

// Elements of a list whose items have the same key do not pile up.
func TestItemsWithTheSameKeyDoNotPileUp(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	b := newTab(t, 600, 400)
	b.open(servePage(t, bucket, false, nil))
	value[bool](b, `(import("./assets/dom.js").then(({ h, keyed }) => {
		const list = h("ul", {});
		const draw = (items) => keyed(list, items, (x) => x, (x) => h("li", {}, x));
		for (let i = 0; i < 50; i++) draw(["a", "a", "b", "a"]);
		const first = list.firstElementChild;
		draw(["a", "b"]);
		window.list = [first === list.firstElementChild, ...[...list.children].map((x) => x.textContent)].join(" ");
	}), true)`)
	b.until("window.list")
	require.Equal(t, "true a b", value[string](b, "window.list"))
	b.quiet()
}

// Two runs are compared side by side.
func TestTwoRunsAreComparedSideBySide(t *testing.T) {
	b := newTab(t, 1200, 900)
	live := startLive(t, "")
	failed(t, live.bucket, "monday")
	failed(t, live.bucket, "tuesday")
	b.open(live.url)
	b.until(shown("a", "monday"))
	for _, run := range []string{"monday", "tuesday"} {
		value[bool](b, fmt.Sprintf(`document.querySelector('input[aria-label="Choose %s to compare"]').click() || true`, run))
	}
	b.click("button", "Compare two")
	b.until(shown("#dialog th", "monday"))
	b.until(shown("#dialog th", "tuesday"))
	b.until(shown("#dialog tr", "Largest group of failures"))
	require.Contains(t, value[string](b, `document.getElementById("dialog").innerText`), "insolvent")
	b.quiet()
}

// hostile are keys and texts that want to be markup, a script, an address or a style.
var hostile = []string{
	`<script>window.hit=1</script>`, `<img src=x onerror="window.hit=1">`, `"><svg onload=window.hit=1>`, `'><iframe src="javascript:window.hit=1">`,
	`javascript:window.hit=1`, `</script><script>window.hit=1</script>`, `</title><script>window.hit=1</script>`, `</textarea><script>window.hit=1</script>`,
	`<style>*{display:none}</style>`, `<base href="https://evil.example/">`, `<meta http-equiv=refresh content="0;url=https://evil.example/">`, `<a href="javascript:window.hit=1">x</a>`,
	`{{constructor.constructor('window.hit=1')()}}`, `${window.hit=1}`, "`;window.hit=1;`", `';window.hit=1;//`, `";window.hit=1;//`, `--><script>window.hit=1</script>`,
	`<math><mtext></p><img src=x onerror=window.hit=1>`, `<details open ontoggle=window.hit=1>`, `<form action=https://evil.example><button>x`, `<object data="data:text/html,<script>parent.hit=1</script>">`,
	`<embed src="javascript:window.hit=1">`, "line\nbreak\r\n\r\ndata: x", "nul\x00byte\x1b[31mred", "\xff\xfe not utf-8 \x80", "\u202Egnp.exe", `../../../etc/passwd`,
	`%3Cscript%3Ewindow.hit=1%3C/script%3E`, `=cmd|'/c calc'!A1`, `__proto__`, `constructor`,
}

// Hostile keys and texts are shown as text everywhere, and run nothing.
func TestHostileKeysRunNoScript(t *testing.T) {
	require.GreaterOrEqual(t, len(hostile), 30)
	bucket := hostileRun(t, hostile)
	for _, runs := range []string{"stored", "live"} {
		t.Run(runs, func(t *testing.T) {
			b := newTab(t, 1200, 900)
			url := servePage(t, bucket, runs == "live", hostile)
			b.open(url + "?run=hostile&x=<script>window.hit=1</script>")
			b.until(shown(".group-head", ""))
			if live := runs == "live"; live {
				b.until(shown(".badge", "succeeded"))
			}
			b.until(`document.querySelectorAll(".group-head").length >= 5`)
			groups := value[int](b, `document.querySelectorAll(".group-head").length`)
			for i := range groups {
				value[bool](b, fmt.Sprintf(`document.querySelectorAll(".group-head")[%d].click() || true`, i))
				b.until(shown(".samples button", ""))
				value[bool](b, `document.querySelector(".samples button").click() || true`)
				b.until(`document.getElementById("dialog").open`)
				b.wait(20 * time.Millisecond)
				value[bool](b, `document.getElementById("dialog").close() || true`)
			}
			require.True(t, value[bool](b, `window.hit === undefined`), "a script ran")
			require.Zero(t, value[int](b, `document.querySelectorAll("main script, main img, main iframe, main object, main embed, main base, main meta, main style, main math, main form[action]").length`))
			require.True(t, value[bool](b, `document.body.innerText.includes("onerror") || document.body.innerText.includes("window.hit")`), "they are shown")
			require.True(t, strings.HasPrefix(value[string](b, "location.href"), url))
			b.open(url + "api/runs/hostile/report.html")
			require.True(t, value[bool](b, `window.hit === undefined && document.querySelectorAll("script, img, iframe").length === 0`))
			require.True(t, value[bool](b, `getComputedStyle(document.querySelector("pre")).whiteSpace.startsWith("pre")`), "the style of the report is allowed")
			b.quiet("favicon.ico", "status of 404")
		})
	}
}
