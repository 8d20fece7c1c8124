package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/sink/results"
)

// place is where runs lie.
type place struct {
	bucket *blob.Bucket
	name   string // of the bucket, as people know it
	prefix string
}

// open opens a URL, or a folder, which must exist.
func (p *place) open(ctx context.Context, where string) error {
	p.name = withoutQuery(where)
	address := where
	if !strings.Contains(where, "://") {
		path, err := filepath.Abs(where)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return fmt.Errorf("bucket %s: %w: give a folder that exists, or a URL such as s3://name", where, err)
		case !info.IsDir():
			return badUsage("%s is a file: give the folder that sink.Bucket writes to", where)
		}
		folder := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/"), RawQuery: "metadata=skip"}
		address = folder.String()
	}
	var err error
	if p.bucket, err = blob.OpenBucket(ctx, address); err != nil {
		return fmt.Errorf("open bucket %s: %s", p.name, strings.ReplaceAll(err.Error(), address, p.name)) // without a secret of its query
	}
	return nil
}

// withoutQuery is a URL without what may be a credential.
func withoutQuery(where string) string {
	if u, err := url.Parse(where); err == nil && u.Scheme != "" {
		u.RawQuery, u.User, u.Fragment = "", nil, ""
		return u.String()
	}
	before, _, _ := strings.Cut(where, "?")
	return before
}

// usualPrefix is that of -prefix.
const usualPrefix = "runs/"

// args are the arguments by which another command finds the place. The query of a URL is left out.
func (p *place) args() string {
	if p.prefix == usualPrefix {
		return p.name
	}
	return fmt.Sprintf("-prefix %q %s", p.prefix, p.name)
}

// load reads the run of a call: the one that is named, or the newest.
func (c *call) load(ctx context.Context) (*results.Run, error) {
	if c.runID == "" {
		if err := c.findNewest(ctx); err != nil {
			return nil, err
		}
	}
	r, err := results.Load(ctx, c.bucket, c.prefix, c.runID)
	if errors.Is(err, results.ErrNoRun) {
		return nil, fmt.Errorf("%w: %q below prefix %q of %s: dmap runs lists those that there are", results.ErrNoRun, c.runID, c.prefix, c.name)
	}
	return r, err
}

// findNewest makes the newest run that of the call. Folders that hold no run may come before it.
func (c *call) findNewest(ctx context.Context) error {
	for o := (results.ListOptions{Limit: 1}); ; o.Limit = 20 {
		page, next, err := results.List(ctx, c.bucket, c.prefix, o)
		switch {
		case err != nil:
			return err
		case len(page) > 0:
			c.runID = page[0].RunID
			return nil
		case next == "":
			return c.nothingThere(ctx)
		}
		o.Before = next
	}
}

// maxFolders is how many folders an error names.
const maxFolders = 5

// nothingThere is the error of a place without runs. It names the folders of the bucket, one of
// which may be the prefix.
func (c *call) nothingThere(ctx context.Context) error {
	err := &noRunsError{fmt.Sprintf("no run lies below prefix %q of %s", c.prefix, c.name)}
	var folders []string
	objects := c.bucket.List(&blob.ListOptions{Delimiter: "/"})
	for len(folders) < maxFolders {
		o, next := objects.Next(ctx)
		if next == io.EOF {
			break
		}
		if next != nil {
			return err
		}
		if o.IsDir {
			folders = append(folders, fmt.Sprintf("%q", o.Key))
		}
	}
	if len(folders) == 0 {
		err.text += ": the bucket has no folders"
		return err
	}
	err.text += ": set -prefix to what sink.Bucket got (\"\" for none); the bucket has the folders " + strings.Join(folders, ", ")
	return err
}

// noRunsError says that a place has no runs.
type noRunsError struct{ text string }

func (e *noRunsError) Error() string { return e.text }

func (e *noRunsError) Is(target error) bool { return target == results.ErrNoRun }
