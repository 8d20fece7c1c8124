package runfolder

import (
	"bytes"
	"context"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/failgroup"
)

// maxGroups is how many bytes an object of groups may have: more than the largest index.
const maxGroups = 64 << 20

// LoadGroups reads an object of groups and compares it with its entry in a manifest.
func LoadGroups(ctx context.Context, bucket *blob.Bucket, p Part) ([]FailureGroup, error) {
	if p.Size > maxGroups {
		return nil, attention.Mark(fmt.Errorf("part %q: %d bytes, at most %d are read", p.Key, p.Size, maxGroups))
	}
	content, err := ReadPart(ctx, bucket, p)
	if err != nil {
		return nil, err
	}
	var groups []FailureGroup
	for line := range bytes.Lines(content) {
		if err := addGroup(&groups, line); err != nil {
			return nil, attention.Mark(fmt.Errorf("part %q line %d: %w", p.Key, len(groups)+1, err))
		}
	}
	return groups, nil
}

// FailureOf is a record as an index takes it. It is in the same group as when the item failed.
func FailureOf(r *Record) failgroup.Failure {
	return failgroup.Failure{Class: r.Class, Text: r.Error, Key: r.Key, ID: r.ID, Attempts: r.Attempts, At: r.At}
}

// CommittedGroups is the index of the failures that commits name, in order.
func CommittedGroups(commits []CommitRecord) *failgroup.Index {
	all := &failgroup.Index{}
	for i := range commits {
		next := IndexOf(commits[i].Groups)
		if commits[i].Regrouped {
			all = next
			continue
		}
		all.Merge(next)
	}
	return all
}
