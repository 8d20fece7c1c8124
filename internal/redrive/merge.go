package redrive

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// merge calls yield for the items of runs in order, and deletes the runs.
func (s *Sorter) merge(ctx context.Context, runs []run, yield func(text []byte) error) error {
	var heads heads
	for _, r := range runs {
		in := &reader{store: s.Store, rest: r}
		ok, err := in.next(ctx)
		if err != nil {
			return err
		}
		if ok {
			heads = append(heads, in)
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		in := heads[0]
		if err := yield(in.head.text); err != nil {
			return err
		}
		ok, err := in.next(ctx)
		switch {
		case err != nil:
			return err
		case ok:
			heap.Fix(&heads, 0)
		default:
			heap.Pop(&heads)
		}
	}
	return nil
}

// heads is a heap of runs by their next items.
type heads []*reader

func (h *heads) Len() int           { return len(*h) }
func (h *heads) Less(i, j int) bool { return (*h)[i].head.compare(&(*h)[j].head) < 0 }
func (h *heads) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *heads) Push(x any)         { *h = append(*h, x.(*reader)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// reader reads a run block by block, and checks each of its parts at the end of it.
type reader struct {
	store Store
	rest  run // the current part first
	head  line

	read  int64     // bytes of the current part
	hash  hash.Hash // of these; nil: no part has been begun
	block []byte    // read and not yet consumed
}

// next makes head the next item. It returns false at the end of the run.
func (r *reader) next(ctx context.Context) (bool, error) {
	for {
		end := bytes.IndexByte(r.block, '\n')
		if end >= 0 {
			text := r.block[:end+1]
			r.block = r.block[end+1:]
			return true, r.decode(text)
		}
		if len(r.rest) == 0 {
			return false, nil
		}
		if err := r.fetch(ctx); err != nil {
			return false, fmt.Errorf("sort the failed items: part %q: %w", r.rest[0].Key, err)
		}
	}
}

func (r *reader) decode(text []byte) error {
	record, err := runfolder.DecodeRecord(text)
	if err != nil {
		return fmt.Errorf("sort the failed items: %w", err)
	}
	r.head = line{record.Split, record.Start, text}
	return nil
}

// fetch reads the next block of the current part, or goes to the next part.
func (r *reader) fetch(ctx context.Context) error {
	p := r.rest[0]
	if r.hash == nil {
		r.hash, r.read = sha256.New(), 0
	}
	n := min(blockBytes, p.Size-r.read)
	if n > 0 {
		more, err := r.store.Read(ctx, p, r.read, n)
		if err != nil {
			return err
		}
		r.hash.Write(more)
		r.read += n
		r.block = append(append(make([]byte, 0, len(r.block)+len(more)), r.block...), more...)
		return nil
	}
	if len(r.block) > 0 || hex.EncodeToString(r.hash.Sum(nil)) != p.SHA256 {
		return errors.New("it has changed since it was written: call again")
	}
	r.store.Delete(ctx, p)
	r.rest, r.hash = r.rest[1:], nil
	return nil
}
