package source

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/ownresults"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// ownResults recognizes the results of runs among the keys of a listing: those of the run that
// lists, and those of other runs beside it, whose folders have the same prefix. It asks the bucket
// whether a folder is that of a run, so that no object of a user is taken for a result.
type ownResults struct {
	bucket *blob.Bucket
	prefix string // of the listing: a folder of results that it names is listed
	run    *ownresults.Run
	folder string // of the run, with a slash: the name below any prefix

	mu      sync.Mutex
	parents []string        // prefixes of the folders of runs in this bucket; guarded by mu
	folders map[string]bool // whether a folder is that of a run; guarded by mu
}

// newOwnResults returns nil if the run of ctx writes no results that a listing could contain. The
// bucket of a sink may be the same under another pointer: then its run.json is found in this one.
func newOwnResults(ctx context.Context, bucket *blob.Bucket, prefix string) (*ownResults, error) {
	run := ownresults.Of(ctx)
	if run == nil {
		return nil, nil
	}
	memo := struct {
		bucket *blob.Bucket
		prefix string
	}{bucket, prefix}
	if known, ok := run.Known.Load(memo); ok {
		return known.(*ownResults), nil // stored below
	}
	o := &ownResults{bucket: bucket, prefix: prefix, run: run, folder: run.RunID + "/", folders: map[string]bool{}}
	for _, f := range run.Folders {
		same := f.Bucket == any(bucket)
		if !same && o.overlaps(f.Prefix) {
			var err error
			if same, err = o.isRun(ctx, f.Prefix, run.RunID); err != nil {
				return nil, err
			}
		}
		if same {
			o.parents = append(o.parents, f.Prefix)
		}
	}
	first, _ := run.Known.LoadOrStore(memo, o)
	return first.(*ownResults), nil
}

// overlaps reports whether the listing may contain keys under prefix.
func (o *ownResults) overlaps(prefix string) bool {
	return strings.HasPrefix(prefix, o.prefix) || strings.HasPrefix(o.prefix, prefix)
}

// holds reports whether key is an object in the folder of a run.
func (o *ownResults) holds(ctx context.Context, key string) (bool, error) {
	if o == nil {
		return false, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, parent := range o.parents {
		if folder, ok := o.folderBelow(parent, key); ok {
			return o.leavesOut(ctx, parent, folder)
		}
	}
	parent, ok := o.ownFolder(key)
	if !ok {
		return false, nil
	}
	found, err := o.leavesOut(ctx, parent, o.run.RunID)
	if found {
		o.parents = append(o.parents, parent)
	}
	return found, err
}

// folderBelow returns the name of the folder directly below parent that key lies in. Without a
// prefix of their own the folders of runs lie among those of users: there the key must look like a
// result.
func (o *ownResults) folderBelow(parent, key string) (folder string, ok bool) {
	rest, ok := strings.CutPrefix(key, parent)
	if !ok {
		return "", false
	}
	folder, name, ok := strings.Cut(rest, "/")
	if !ok || parent == "" && folder != o.run.RunID && !runfolder.IsResult(name) {
		return "", false
	}
	return folder, true
}

// ownFolder returns the prefix of the folder of this run, if key looks like a result in it.
func (o *ownResults) ownFolder(key string) (parent string, ok bool) {
	i := strings.Index(key, o.folder)
	if i < 0 || i > 0 && key[i-1] != '/' || !runfolder.IsResult(key[i+len(o.folder):]) {
		return "", false
	}
	return key[:i], true
}

// leavesOut reports whether the listing leaves out the folder below parent: it is that of a run,
// and the listing does not name it. mu is held, so that the bucket is asked once about a folder.
func (o *ownResults) leavesOut(ctx context.Context, parent, folder string) (bool, error) {
	is, known := o.folders[parent+folder]
	if !known {
		var err error
		if is, err = o.isRun(ctx, parent, folder); err != nil {
			return false, err
		}
		is = is && (folder == o.run.RunID || !strings.HasPrefix(o.prefix, parent+folder+"/"))
		o.folders[parent+folder] = is
	}
	if is {
		o.run.LeftOut(parent + folder + "/")
	}
	return is, nil
}

// isRun reports whether the folder runID below parent is that of a run with this ID.
func (o *ownResults) isRun(ctx context.Context, parent, runID string) (bool, error) {
	key := parent + runID + "/" + runfolder.RunFileName
	content, err := publish.Read(ctx, o.bucket, key, runfolder.MaxRunFile)
	if transient.Absent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("are there results of a run in the listing: %w", err)
	}
	var file struct {
		Format int    `json:"format"`
		RunID  string `json:"runId"`
	}
	return json.Unmarshal(content, &file) == nil && file.Format > 0 && file.RunID == runID, nil
}
