package browser

import (
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// shot saves what the tab shows.
func (b *tab) shot(path string, whole bool) {
	b.t.Helper()
	action := chromedp.CaptureScreenshot()
	if whole {
		action = chromedp.FullScreenshot(100)
	}
	image, err := chromedp.Run(b.ctx, action)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(path, image, 0o600))
}

func TestLook(t *testing.T) {
	if os.Getenv("LOOK") == "" {
		t.Skip()
	}
	live := startLive(t, "")
	failed(t, live.bucket, "nightly-2026-11-25")
	b := newTab(t, 1200, 900)
	b.open(live.url + "?run=live")
	b.until(`document.querySelector("#failures [data-row]") !== null`)
	require.NoError(t, live.run.SetMaxConcurrency(80))
	b.wait(6 * time.Second)
	b.scheme("dark")
	b.shot("/tmp/WEB/dark.png", true)
	b.scheme("light")
	b.click("button", "Pause")
	b.until(shown(".badge", "paused"))
	b.shot("/tmp/WEB/paused.png", true)
	b.open(live.url)
	b.until(shown("a", "nightly"))
	b.shot("/tmp/WEB/runs.png", true)
	b.click("a", "nightly")
	b.until(`document.querySelector("#failures [data-row]") !== null`)
	b.wait(time.Second)
	b.shot("/tmp/WEB/failed.png", true)
	b.click(".group-head", "")
	b.until(`document.querySelector(".samples li") !== null`)
	b.click("button", "List all")
	b.until(`document.querySelectorAll("#failures tbody tr").length > 3`)
	b.shot("/tmp/WEB/list.png", true)
	b.click(".samples button", "")
	b.wait(time.Second)
	b.shot("/tmp/WEB/drawer.png", false)
	b.click("dialog button", "Close")
	b.click("button", "Redrive these")
	b.wait(time.Second)
	b.shot("/tmp/WEB/redrive.png", false)
	n := newTab(t, 390, 844)
	live.run.Resume()
	n.open(live.url + "?run=live")
	n.until(`document.querySelector("#failures [data-row]") !== null`)
	n.wait(3 * time.Second)
	n.shot("/tmp/WEB/narrow.png", true)
	b.quiet()
	n.quiet()
}
