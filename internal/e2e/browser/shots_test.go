package browser

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// mostShot bounds a picture of the documentation, in bytes.
const mostShot = 60 << 10

// shot saves the first height pixels of the page as a picture that is small enough for the
// documentation.
func (b *tab) shot(path string, width, height int64) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)))
	b.wait(1200 * time.Millisecond) // charts and bars have their new size
	for _, quality := range []int64{80, 60, 40, 25, 10} {
		got, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
		require.NoError(b.t, err)
		if len(got.Data) <= mostShot {
			require.NoError(b.t, os.WriteFile(path, got.Data, 0o644)) //nolint:gosec // a picture for everybody
			b.t.Logf("%s: %d bytes, quality %d", path, len(got.Data), quality)
			return
		}
	}
	require.FailNow(b.t, "too large", path)
}

// noOverlap fails where the page is wider than its window, which cuts something off.
func (b *tab) noOverlap() {
	b.t.Helper()
	require.LessOrEqual(b.t, value[int](b, "document.documentElement.scrollWidth"), value[int](b, "window.innerWidth"), "the page is wider than the window")
}

// TestScreenshots makes the pictures of the documentation in DMAP_SHOTS: see make screenshots.
func TestScreenshots(t *testing.T) {
	to := os.Getenv("DMAP_SHOTS")
	if to == "" {
		t.Skip("DMAP_SHOTS names no folder: make screenshots")
	}
	live := startLive(t, "")
	failed(t, live.bucket, "nightly-2026-11-25")
	dead(t, live.bucket, "nightly-2026-11-24")
	b := newTab(t, 1100, 900)
	b.scheme("light")
	b.open(live.url + "?run=live")
	b.until(`document.querySelectorAll("#failures [data-row]").length > 1`)
	b.wait(4 * time.Second)
	require.NoError(t, live.run.SetMaxConcurrency(60))
	b.wait(8 * time.Second)
	b.shot(filepath.Join(to, "running.webp"), 1100, 1150)
	b.noOverlap()
	b.scheme("dark")
	b.shot(filepath.Join(to, "dark.webp"), 1100, 900)
	live.run.Pause()

	n := newTab(t, 390, 844)
	n.scheme("light")
	n.open(live.url + "?run=live")
	n.until(shown(".badge", "paused"))
	n.shot(filepath.Join(to, "narrow.webp"), 390, 1400)
	n.noOverlap()

	b.scheme("light")
	b.open(live.url + "?run=nightly-2026-11-25")
	b.click(".group-head", "insolvent")
	b.until(shown(".samples li", ""))
	b.shot(filepath.Join(to, "failed.webp"), 1100, 1120)
	b.noOverlap()
	b.open(live.url + "?run=nightly-2026-11-24")
	b.until(shown(".badge", "open"))
	b.shot(filepath.Join(to, "open.webp"), 1100, 900)
	b.quiet()
	n.quiet()
}
