package lanes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// The record with which a host begins an era names the attempt of its Starter, as a part of its
// writer.

// startWriter is the writer of that record: unique to the process.
func startWriter(by lease.Starter, process string) string {
	if by.ID == "" {
		return process
	}
	return fmt.Sprintf("%s%d-%s", starterPrefix(by.ID), by.Attempt, process)
}

func starterPrefix(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "start-" + hex.EncodeToString(sum[:8]) + "-"
}

// attempt is the attempt of a Starter that has begun the era of a run; 0: the era is of another
// host. It matches dmap.ErrFenced if that attempt is later than the one of this process.
func (r Run) attempt(ctx context.Context, root *commits.Log, by lease.Starter) (int, error) {
	era, _, known := root.State.Era()
	if by.ID == "" || !known {
		return 0, nil
	}
	header, err := runfolder.Header(ctx, r.Bucket, r.Folder, era)
	if err != nil {
		return 0, err
	}
	rest, own := strings.CutPrefix(header.Writer, starterPrefix(by.ID))
	number, _, _ := strings.Cut(rest, "-")
	n, err := strconv.Atoi(number)
	if !own || err != nil {
		return 0, nil
	}
	if n > by.Attempt {
		return n, fenced("attempt %d to begin was given up: attempt %d has begun", by.Attempt, n)
	}
	return n, nil
}
