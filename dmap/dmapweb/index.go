package dmapweb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
)

// firstPaint is what index.html shows before a script has run, and without scripts.
type firstPaint struct {
	Title  string
	Run    *watch.Snapshot // nil: the list of runs
	Head   string          // of Run
	Runs   []line
	Empty  string
	Error  string
	Bucket bool
}

// paintTime bounds the reading for the first paint: the script asks again.
const paintTime = 2 * time.Second

func (p *site) serveIndex(w http.ResponseWriter, r *http.Request) error {
	var out bytes.Buffer
	if err := p.index.Execute(&out, p.firstPaint(r)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes()) // an error: the reader has left
	return nil
}

func (p *site) firstPaint(r *http.Request) firstPaint {
	ctx, cancel := context.WithTimeout(r.Context(), paintTime)
	defer cancel()
	paint := firstPaint{Title: "Runs", Bucket: p.stored != nil}
	key := r.URL.Query().Get("run")
	if key == "" {
		for _, c := range p.set.Runs() {
			s := c.Snapshot()
			paint.Runs = append(paint.Runs, lineOf(&s))
		}
		return paint
	}
	r = r.WithContext(ctx)
	r.SetPathValue("run", key)
	paint.Title = clip(key, 128)
	f, err := p.find(r, false)
	if err == nil {
		var s watch.Snapshot
		if s, err = p.snapshot(ctx, f); err == nil {
			paint.Run, paint.Head = &s, s.Headline(time.Now())
			return paint
		}
	}
	paint.Error = guard.Text(err, maxMessage)
	return paint
}

// assetTypes are the files that the page serves, by their extension.
func assetTypes() map[string]string {
	return map[string]string{
		".js":  "text/javascript; charset=utf-8",
		".css": "text/css; charset=utf-8",
		".svg": "image/svg+xml",
	}
}

func (p *site) serveAsset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	kind := assetTypes()[path.Ext(name)]
	content, err := files.ReadFile("web/" + name)
	if kind == "" || err != nil {
		return notFound("the page has no such file")
	}
	sum := sha256.Sum256(content)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	return nil
}
