package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/testsize"
)

// chromium is the path of a browser. Without one the test is skipped, except where DMAP_BROWSER is
// set, as on CI: there it fails.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("DMAP_BROWSER"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && name != "" {
			return path
		}
	}
	if os.Getenv("DMAP_BROWSER") != "" {
		t.Fatalf("no browser at DMAP_BROWSER=%s", os.Getenv("DMAP_BROWSER"))
	}
	t.Skip("no browser found: install the Debian package chromium, or set DMAP_BROWSER to the path of one")
	return ""
}

// tab is a page of a browser, with what its console and its dialogs said.
type tab struct {
	ctx context.Context //nolint:containedctx // as chromedp wants it
	t   *testing.T

	mu       sync.Mutex
	problems []string
}

// newTab starts a browser of its own, with a window of that size.
func newTab(t *testing.T, width, height int) *tab {
	t.Helper()
	if testsize.RaceDetector {
		t.Skip("the time is that of the browser: make test runs it without the race detector")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WindowSize(width, height), chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()))
	limited, timeout := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	allocated, cancel := chromedp.NewExecAllocator(limited, options...)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		end()
		cancel()
		timeout()
	})
	b := &tab{ctx: ctx, t: t}
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), int64(height))))
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.IsException() {
				b.problem(m.String() + " " + m.URL)
			}
		}
	}()
	return b
}

// dark makes the page see a dark or a light color scheme.
func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	require.NoError(b.t, err)
}

func (b *tab) problem(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, text)
}

// quiet fails the test if the console has errors other than those that contain a text of except.
func (b *tab) quiet(except ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
next:
	for _, p := range b.problems {
		for _, e := range except {
			if strings.Contains(p, e) {
				continue next
			}
		}
		b.t.Errorf("the console of the browser: %s", p)
	}
}

// describe is the text of the page, for a failed test.
func (b *tab) describe() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	if err != nil {
		return err.Error()
	}
	return text
}

// open loads a page.
func (b *tab) open(url string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Navigate(url)))
}

// value is the value of an expression of the page.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, "%s\npage: %s", expression, b.describe())
	return v
}

// until waits for an expression of the page to be true. The page may load another one meanwhile.
func (b *tab) until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; b.wait(50 * time.Millisecond) {
		reached, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if reached && err == nil {
			return
		}
		if err != nil && !strings.Contains(err.Error(), "navigated or closed") || time.Now().After(end) {
			require.FailNow(b.t, "the page did not reach a state", "%s\n%v\npage: %s", expression, err, b.describe())
		}
	}
}

// wait lets the page work for some time.
func (b *tab) wait(d time.Duration) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Sleep(d)))
}

// shown is an expression for the first visible element of a selector whose text contains a text.
func shown(selector, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].find((e) => e.offsetParent !== null && !e.disabled && e.textContent.includes(%q))`, selector, text)
}

// click clicks the first visible element of a selector whose text contains a text.
func (b *tab) click(selector, text string) {
	b.t.Helper()
	b.until("((e) => e && (e.click(), true))(" + shown(selector, text) + ")")
}

// keys presses keys.
func (b *tab) keys(keys string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.KeyEvent(keys)))
}
