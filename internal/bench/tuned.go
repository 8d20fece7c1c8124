package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
)

// tunedByHand is byHand with every possible optimization: files instead of a bucket, its own
// directory walk, keys in batches, a read buffer and an output buffer per goroutine, and one lock
// per batch. Its guarantees are those of byHand.
func tunedByHand(ctx context.Context, work workload) (_ outcome, err error) {
	const size = 400
	out, err := newFiles(work.Scratch)
	if err != nil {
		return outcome{}, err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []string, 4)
	group.Go(func() error {
		defer close(batches)
		return walk(ctx, work.Dir, size, batches)
	})
	for range work.Concurrency {
		group.Go(func() error {
			var b batchBuffer
			for keys := range batches {
				if err := b.decideAll(work.Dir, keys); err != nil {
					return err
				}
				if err := out.take(&b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	return outcome{Succeeded: out.succeeded, Failed: out.failed}, err
}

// walk sends the names of all files in dir, relative to dir, in batches of size.
func walk(ctx context.Context, dir string, size int, batches chan<- []string) error {
	var keys []string
	send := func() error {
		select {
		case batches <- keys:
			keys = make([]string, 0, size)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		keys = append(keys, name[len(dir)+1:])
		if len(keys) < size {
			return nil
		}
		return send()
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return send()
}

// batchBuffer holds the buffers that a goroutine reuses.
type batchBuffer struct {
	data              []byte
	out               [2]outBuffer // successes and failures
	succeeded, failed int64
}

type outBuffer struct {
	lines []byte
	enc   *json.Encoder
}

func (o *outBuffer) Write(p []byte) (int, error) {
	o.lines = append(o.lines, p...)
	return len(p), nil
}

func (o *outBuffer) add(record any) error {
	if o.enc == nil {
		o.enc = json.NewEncoder(o)
	}
	return o.enc.Encode(record)
}

func (b *batchBuffer) decideAll(dir string, keys []string) error {
	for _, key := range keys {
		if err := b.decideOne(dir, key); err != nil {
			return err
		}
	}
	return nil
}

func (b *batchBuffer) decideOne(dir, key string) error {
	err := b.read(filepath.Join(dir, key))
	if err == nil {
		verdict, problem := decide(key, b.data)
		if problem == nil {
			b.succeeded++
			return b.out[0].add(success{key, verdict})
		}
		err = problem
	}
	b.failed++
	return b.out[1].add(failure{key, err.Error()})
}

// read reads a whole file into b.data.
func (b *batchBuffer) read(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	b.data = b.data[:0]
	if cap(b.data) == 0 {
		b.data = make([]byte, 0, 4096)
	}
	for {
		if len(b.data) == cap(b.data) {
			b.data = append(b.data, 0)[:len(b.data)]
		}
		n, err := file.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// files writes the records of all goroutines.
type files struct {
	mu                sync.Mutex // guards the other fields
	to                [2]*os.File
	succeeded, failed int64
}

func newFiles(dir string) (*files, error) {
	f := new(files)
	for i, name := range []string{"succeeded.jsonl", "failed.jsonl"} {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f.to[i] = file
	}
	return f, nil
}

// take writes the records in b and empties it.
func (f *files) take(b *batchBuffer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range b.out {
		if _, err := f.to[i].Write(b.out[i].lines); err != nil {
			return fmt.Errorf("results: %w", err)
		}
		b.out[i].lines = b.out[i].lines[:0]
	}
	f.succeeded, f.failed = f.succeeded+b.succeeded, f.failed+b.failed
	b.succeeded, b.failed = 0, 0
	return nil
}

func (f *files) close() error {
	var errs []error
	for _, file := range f.to {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}
