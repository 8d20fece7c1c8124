package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// part is an object of records. Records and SHA256 are known of dmap's parts only.
type part struct {
	runfolder.Part
	own bool // written by dmap
}

// loadManifest reads and checks a manifest of dmap or of Step Functions.
func loadManifest(ctx context.Context, bucket *blob.Bucket, key string, anywhere bool) (*runfolder.Manifest, error) {
	content, err := publish.Read(ctx, bucket, key, runfolder.MaxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m, err := runfolder.DecodeAnyManifest(ctx, content, folderOf(key), anywhere)
	if errors.Is(err, runfolder.ErrElsewhere) {
		err = fmt.Errorf("%w: see RedriveOptions.Anywhere", err)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %q%s: %w", key, jsonPosition(err), err)
	}
	return m, nil
}

// folderOf is the folder of an object, with its slash.
func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// What the Version of a split starts with: who wrote the part.
const (
	ownPart   = "dmap:"           // size:records:SHA-256
	childPart = "step functions:" // size
)

// split describes a part as plain data.
func (p part) split() dmap.Split {
	s := dmap.Split{ID: p.Key, Object: p.Key, Version: childPart + strconv.FormatInt(p.Size, 10)}
	if p.own {
		s.Version = fmt.Sprintf("%s%d:%d:%s", ownPart, p.Size, p.Records, p.SHA256)
	}
	return s
}

// partOf is the inverse of split.
func partOf(s dmap.Split) (p part, err error) {
	p.Key = s.Object
	text, own := strings.CutPrefix(s.Version, ownPart)
	if own {
		fields := strings.SplitN(text, ":", 3)
		if len(fields) != 3 {
			return p, unknownSplit(s)
		}
		p.own, p.SHA256, text = true, fields[2], fields[0]
		if p.Records, err = strconv.ParseInt(fields[1], 10, 64); err != nil {
			return p, unknownSplit(s)
		}
	} else if text, own = strings.CutPrefix(s.Version, childPart); !own {
		return p, unknownSplit(s)
	}
	if p.Size, err = strconv.ParseInt(text, 10, 64); err != nil || p.Size < 0 {
		return p, unknownSplit(s)
	}
	return p, nil
}
