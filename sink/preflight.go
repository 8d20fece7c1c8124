package sink

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/probe"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// Preflight tries what the sink will need for the run of spec, and reports each try. It tells
// whether the folder holds the run, and whether the call may continue it. It creates a small object
// beside the results, named ".dmap-preflight-" and 26 random characters, has the store refuse to
// create it again, reads it back, finds it in a listing and deletes it. No reader takes the object
// for a result or an item. A run without a RunID of its own is tried in the folder ".preflight".
//
// An object that remains after a kill is removed by the next Preflight for the same folder, and by
// results.Clean. Where the store refuses to delete, one object remains, however often Preflight is
// called. A bucket with versions keeps a version of the object, as of every deleted one.
func (f *BucketSink[R]) Preflight(ctx context.Context, spec dmap.RunSpec, report func(dmap.Check)) {
	bucket := probe.Of(f.bucket, report)
	folder, err := runfolder.Folder(f.prefix, spec.RunID)
	if err != nil || f.wrong != nil {
		report(dmap.Check{Op: string(probe.Run), Key: folder, Err: errors.Join(err, f.wrong)})
		return
	}
	if spec.Options.RunID == "" {
		folder = runfolder.ProbeFolder(f.prefix)
	}
	_ = bucket.Try(ctx, probe.Run, folder, func(ctx context.Context) (string, error) {
		return f.lookAtRun(ctx, spec, folder)
	})
	p := folderProbe{Bucket: bucket, in: f.bucket, folder: folder, express: f.opts.Express}
	p.run(ctx)
}

// folderProbe creates, reads and deletes an object in a run's folder.
type folderProbe struct {
	probe.Bucket
	in      *blob.Bucket
	folder  string
	express bool // the run has no journal

	key     string
	content []byte
	removed int // objects of killed preflights
}

// probeType is the content type of the object.
const probeType = "application/json"

// cleanTime is how long removing the object may take after the end of the context.
const cleanTime = 2 * time.Second

// run tries all operations.
func (p *folderProbe) run(ctx context.Context) {
	made := p.missingFolders(ctx)
	defer func() {
		for _, path := range made {
			_ = os.Remove(path) // only if it is empty
		}
	}()
	p.name(rand.Text())
	forbidden := p.mayDelete(ctx)
	created := p.Try(ctx, probe.Create, p.key, p.create)
	defer p.remove(ctx, forbidden, created)
	if created == nil {
		_ = p.Try(ctx, probe.CreateAgain, p.key, p.createAgain)
		_ = p.Try(ctx, probe.ReadBack, p.key, p.readBack)
	} else {
		p.Skip(probe.CreateAgain, p.key, "no object was created")
		p.Skip(probe.ReadBack, p.key, "no object was created")
	}
	_ = p.Try(ctx, probe.List, p.folder, func(ctx context.Context) (string, error) { return p.find(ctx, created == nil) })
}

// name chooses the object.
func (p *folderProbe) name(unique string) {
	p.key = p.folder + runfolder.ProbeName(unique)
	p.content = fmt.Appendf(nil, "{\"preflight\":%q}\n", unique)
}

// mayDelete removes the objects of killed preflights. If there are none it deletes the object that
// is not there yet: many stores look at the permission first. If deleting is refused the object of
// the earlier preflight is used again, so that the objects do not become more.
func (p *folderProbe) mayDelete(ctx context.Context) error {
	left, err := p.list(ctx)
	if err != nil || len(left) == 0 {
		return p.delete(ctx, p.key)
	}
	for _, key := range left {
		if err := p.delete(ctx, key); err != nil {
			if transient.Refused(err) {
				p.name(strings.TrimPrefix(key, p.folder+runfolder.ProbePrefix))
			}
			return err
		}
		p.removed++
	}
	return nil
}

// list lists the objects of preflights.
func (p *folderProbe) list(ctx context.Context) (keys []string, err error) {
	all := new([]string)
	_, err = probe.Within(ctx, func(ctx context.Context) (string, error) {
		page, _, err := publish.Page(ctx, p.in, p.folder+runfolder.ProbePrefix, blob.FirstPageToken)
		for _, o := range page {
			if runfolder.IsProbe(o.Key) {
				*all = append(*all, o.Key)
			}
		}
		return "", err
	})
	if err != nil { // an abandoned listing may still add to all
		return nil, err
	}
	return *all, nil
}

// delete deletes an object that may be absent.
func (p *folderProbe) delete(ctx context.Context, key string) error {
	_, err := probe.Within(ctx, func(ctx context.Context) (string, error) {
		err := p.in.Delete(ctx, key)
		if transient.Absent(err) {
			err = nil
		}
		return "", err
	})
	return err
}

// create creates the object. One that is there already, from a preflight that could not delete it,
// has the same content: then the store has refused to create it, which shows the permission too.
func (p *folderProbe) create(ctx context.Context) (string, error) {
	return "", publish.Create(ctx, p.in, p.key, probeType, p.content)
}

// createAgain has the store refuse to create the object again. If it did not, the store may be
// right all the same: another preflight has removed the object meanwhile. So a second object
// decides.
func (p *folderProbe) createAgain(ctx context.Context) (found string, err error) {
	err = publish.CreateAgain(ctx, p.in, p.key, probeType, p.content)
	if guard.Is(err, publish.ErrNotExclusive) {
		second := folderProbe{in: p.in, folder: p.folder}
		second.name(rand.Text())
		defer func() {
			ctx, cancel := after(ctx)
			defer cancel()
			_ = second.delete(ctx, second.key)
		}()
		err = publish.Claim(ctx, p.in, second.key, probeType, second.content)
	}
	if p.express && guard.Is(err, publish.ErrNotExclusive) {
		return "the store replaced the object; a run without a journal does not depend on it", nil
	}
	if err != nil {
		return "", err
	}
	return "the store refused, as it must", nil
}

// readBack compares the content.
func (p *folderProbe) readBack(ctx context.Context) (string, error) {
	content, err := publish.Read(ctx, p.in, p.key, int64(len(p.content)))
	if err == nil && !bytes.Equal(content, p.content) {
		err = fmt.Errorf("%q does not have the content that was written", p.key)
	}
	return "", err
}

// find finds the object in a listing, if it was created.
func (p *folderProbe) find(ctx context.Context, created bool) (string, error) {
	keys, err := p.list(ctx)
	if err == nil && created && !slices.Contains(keys, p.key) {
		err = fmt.Errorf("the listing of %q does not have the object that was created", p.folder)
	}
	return "", err
}

// remove deletes the object, also if ctx has ended. forbidden and created are the errors of the
// first attempt to delete and to create.
func (p *folderProbe) remove(ctx context.Context, forbidden, created error) {
	ctx, cancel := after(ctx)
	defer cancel()
	if transient.Refused(created) && forbidden == nil {
		_ = p.delete(ctx, p.key) // if the store has created it nevertheless
		p.Skip(probe.Delete, p.key, "no object was created")
		return
	}
	_ = p.Try(ctx, probe.Delete, p.key, func(ctx context.Context) (found string, err error) {
		if err = forbidden; !transient.Refused(forbidden) {
			err = p.delete(ctx, p.key)
		}
		if err != nil && !transient.Refused(created) {
			remains := "remains"
			if created != nil {
				remains = "may remain"
			}
			err = fmt.Errorf("delete %q, which %s: %w", p.key, remains, err)
		}
		if p.removed > 0 {
			found = fmt.Sprintf("removed %d objects of earlier preflights", p.removed)
		}
		return found, err
	})
}

// after is the context of cleaning up.
func after(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), cleanTime, context.DeadlineExceeded)
}

// missingFolders returns the folders, the deepest first, that the driver will make for the object
// in a folder of this host.
func (p *folderProbe) missingFolders(ctx context.Context) (paths []string) {
	path, ok, err := publish.LocalPath(ctx, p.in, p.folder+runfolder.ProbePrefix)
	if err != nil || !ok {
		return nil
	}
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil {
			break
		}
		paths = append(paths, dir)
	}
	return paths
}
