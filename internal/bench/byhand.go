package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"sync"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/examples/loansim/loan"
)

// byHand is a typical program without a library: an errgroup with a limit, and two JSON lines
// objects, each with a mutex. It keeps no record of the run and does not recover panics. After a
// crash, all results are lost.
func byHand(keys func(context.Context, *blob.Bucket, int64) iter.Seq2[string, error]) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (_ outcome, err error) {
		in, err := openFolder(work.Dir)
		if err != nil {
			return outcome{}, err
		}
		defer in.Close()
		out, err := openFolder(work.Scratch)
		if err != nil {
			return outcome{}, err
		}
		defer out.Close()
		succeeded, err := newLines(ctx, out, "succeeded.jsonl")
		if err != nil {
			return outcome{}, err
		}
		defer func() { err = errors.Join(err, succeeded.close()) }()
		failed, err := newLines(ctx, out, "failed.jsonl")
		if err != nil {
			return outcome{}, err
		}
		defer func() { err = errors.Join(err, failed.close()) }()

		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(work.Concurrency)
		for key, err := range keys(ctx, in, work.N) {
			if err != nil {
				return outcome{}, errors.Join(err, group.Wait())
			}
			group.Go(func() error {
				data, err := in.ReadAll(ctx, key)
				if err != nil {
					return failed.write(failure{key, err.Error()})
				}
				verdict, err := decide(key, data)
				if err != nil {
					return failed.write(failure{key, err.Error()})
				}
				return succeeded.write(success{key, verdict})
			})
		}
		err = group.Wait()
		return outcome{Succeeded: succeeded.n, Failed: failed.n}, err
	}
}

type success struct {
	Key     string       `json:"key"`
	Verdict loan.Verdict `json:"verdict"`
}

type failure struct {
	Key   string `json:"key"`
	Error string `json:"error"`
}

// lines writes JSON lines to an object from many goroutines.
type lines struct {
	mu     sync.Mutex // guards the other fields
	n      int64
	object io.WriteCloser
	buf    *bufio.Writer
	enc    *json.Encoder
}

func newLines(ctx context.Context, bucket *blob.Bucket, key string) (*lines, error) {
	object, err := bucket.NewWriter(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	buf := bufio.NewWriter(object)
	return &lines{object: object, buf: buf, enc: json.NewEncoder(buf)}, nil
}

func (l *lines) write(record any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	return l.enc.Encode(record)
}

func (l *lines) close() error { return errors.Join(l.buf.Flush(), l.object.Close()) }

// knownKeys generates the keys instead of listing them, which a real program cannot do.
func knownKeys(_ context.Context, _ *blob.Bucket, n int64) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := int64(0); i < n && yield(loan.Key(i), nil); i++ {
		}
	}
}

// listedKeys lists the bucket as in gocloud's documentation.
func listedKeys(ctx context.Context, bucket *blob.Bucket, _ int64) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		list := bucket.List(nil)
		for {
			object, err := list.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
			if !yield(object.Key, nil) {
				return
			}
		}
	}
}
