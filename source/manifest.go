package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
)

// Bounds of what a manifest may be: its text comes from a bucket that others may write to.
const (
	maxManifest    = 256 << 20
	maxParts       = 1_000_000
	maxPart        = 16 << 30
	manifestFormat = 1 // the newest that this version reads
)

// manifest is what is needed of the record of an ended run, of dmap or of Step Functions: these have no Format.
type manifest struct {
	Format      int
	RunID       string
	Source      string
	Unread      dmap.Unread
	ResultFiles *struct {
		Failed  []part `json:"FAILED"`
		Pending []part `json:"PENDING"`
	}
}

// part is an object of records. Records and SHA256 are dmap's.
type part struct {
	Key     string
	Size    int64
	Records int64
	SHA256  string
	own     bool // written by dmap
}

// loadManifest reads a manifest and checks it.
func loadManifest(ctx context.Context, bucket *blob.Bucket, key string, anywhere bool) (*manifest, error) {
	content, err := publish.Read(ctx, bucket, key, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m := new(manifest)
	if err := json.Unmarshal(content, m); err != nil {
		return nil, fmt.Errorf("manifest %q%s: %w", key, jsonPosition(err), err)
	}
	if err := m.check(folderOf(key), anywhere); err != nil {
		return nil, fmt.Errorf("manifest %q: %w", key, err)
	}
	return m, nil
}

// folderOf is the folder that an object lies in, with its slash.
func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

func (m *manifest) check(folder string, anywhere bool) error {
	if m.ResultFiles == nil {
		return errors.New("it has no ResultFiles: neither dmap nor Step Functions has written it")
	}
	if m.Format < 0 || m.Format > manifestFormat {
		return fmt.Errorf("format %d: this version reads up to %d", m.Format, manifestFormat)
	}
	seen := map[string]bool{}
	for _, list := range [][]part{m.ResultFiles.Failed, m.ResultFiles.Pending} {
		if len(seen)+len(list) > maxParts {
			return fmt.Errorf("more than %d parts", maxParts)
		}
		for i := range list {
			p := &list[i]
			p.own = m.Format > 0
			switch {
			case !anywhere && !within(folder, p.Key):
				return fmt.Errorf("part %q is not in its folder %q: see RedriveOptions.Anywhere", p.Key, folder)
			case p.Key == "" || seen[p.Key]:
				return fmt.Errorf("part %q is named twice, or has no name", p.Key)
			case p.Size < 0 || p.Size > maxPart || p.Records < 0:
				return fmt.Errorf("part %q: size %d, records %d", p.Key, p.Size, p.Records)
			}
			seen[p.Key] = true
		}
	}
	return nil
}

// within reports whether key lies directly in folder.
func within(folder, key string) bool {
	name, inside := strings.CutPrefix(key, folder)
	return inside && name != "" && !strings.Contains(name, "/")
}

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

// partOf restores what split described.
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
