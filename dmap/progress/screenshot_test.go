package progress

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// svg draws the screen.
func (s *screen) svg() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	const lineHeight, charWidth, edge = 19, 8.43, 14
	colors := map[style]string{bold: "#ffffff", dim: "#8b949e", green: "#3fb950", yellow: "#d29922", red: "#ff7b72", "": "#c9d1d9"}
	var b strings.Builder
	width, height := int(charWidth*float64(s.columns))+2*edge, lineHeight*len(s.rows)+2*edge
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#0d1117"/>`+"\n", width, height)
	b.WriteString(`<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">` + "\n")
	for i, row := range s.rows {
		for from := 0; from < len(row); {
			at := s.styles[[2]int{i, from}]
			to := from
			for to < len(row) && s.styles[[2]int{i, to}] == at {
				to++
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="%s" textLength="%.1f">%s</text>`+"\n", edge+charWidth*float64(from), edge+lineHeight*i+14, colors[at],
				charWidth*float64(to-from), strings.ReplaceAll(html.EscapeString(string(row[from:to])), " ", "\u00a0"))
			from = to
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// DMAP_SCREENSHOTS names the folder into which the pictures of docs/howto/watch.md are drawn: make
// terminal-screenshots. Otherwise the test only draws them.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("DMAP_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	for name, c := range map[string]struct {
		columns  int
		fails    int64 // of hundred
		until    time.Duration
		tolerant dmap.Tolerance
		has      string
	}{
		"terminal-running": {120, 4, 37 * time.Second, dmap.Tolerance{Percentage: 5}, "keys: space pause"},
		"terminal-narrow":  {80, 4, 37 * time.Second, dmap.Tolerance{Percentage: 5}, "keys: space pause"},
		"terminal-failed":  {120, 30, time.Hour, dmap.Tolerance{Percentage: 5}, "next: Look at the failures"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := onScreen(c.columns, Options{Total: 40_000})
				d.out.(*block).color = true
				typed(d)
				bucket := memblob.OpenBucket(nil)
				defer bucket.Close()
				run, err := nightly(t.Context(), d, c.fails, c.tolerant, sink.Bucket[int](bucket, "runs/"))
				require.NoError(t, err)
				select {
				case <-time.After(c.until):
					synctest.Wait()
				case <-run.Done():
					time.Sleep(time.Second)
				}
				require.Contains(t, strings.Join(s.lines(), "\n"), c.has)
				require.NoError(t, os.WriteFile(filepath.Join(folder, name+".svg"), []byte(s.svg()), 0o644))
				run.Cancel(nil)
				<-run.Done()
			})
		})
	}
}

// nightly is a run over 40,000 orders.
func nightly(ctx context.Context, d *Display, fails int64, t dmap.Tolerance, to dmap.Sink[int]) (*dmap.Run, error) {
	return dmap.Start(ctx, source.Slice(make([]struct{}, 40_000)), func(ctx context.Context, _ struct{}) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		time.Sleep(time.Duration(20+info.Index*7919%60) * time.Millisecond)
		switch at := info.Index * 6151 % 100; {
		case info.Index == 7:
			time.Sleep(time.Minute)
		case at >= fails:
		case at%3 == 0:
			return 0, dmap.Permanent(fmt.Errorf("order %d: card expired", info.Index))
		case at%3 == 1:
			return 0, dmap.Permanent(errors.New("POST /charges: 409 Conflict"))
		default:
			return 0, fmt.Errorf("POST /charges: %w", context.DeadlineExceeded)
		}
		return 0, nil
	}, dmap.Options{RunID: "orders-2026-11-26", MaxConcurrency: 25, Tolerance: t, Observer: d.Observer(), Retry: dmap.Retry{MaxAttempts: 2}}, to)
}
