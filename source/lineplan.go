package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/go-dmap/dmap/internal/body"
)

// linePlan divides one large object of lines into splits of about the same size. It fetches only
// the bytes around each wanted end, up to the next line end.
type linePlan struct {
	large  *largeObject
	object Object
	start  int64 // of a line: no split starts before it
	stored body.Object
}

// run calls emit for each split, the last one with the end 0, and stops when emit returns false.
func (p *linePlan) run(ctx context.Context, emit func(from, to int64) bool) (err error) {
	if p.stored, err = p.object.stored(); err != nil {
		return err
	}
	places := p.places()
	from := p.start
	for at, err := range ahead(ctx, len(places)-1, p.large.rows.Requests, func(ctx context.Context, i int) (int64, error) {
		return p.lineStart(ctx, places[i], places[i+1])
	}) {
		switch {
		case err == errIndivisible:
			emit(p.start, 0)
			return nil
		case errors.Is(err, body.ErrRange):
			p.large.readSerially()
			emit(from, 0)
			return nil
		case err != nil:
			return err
		case at <= from: // none there, or that of the piece before
		case !emit(from, at):
			return nil
		default:
			from = at
		}
	}
	emit(from, 0)
	return nil
}

// mostPlaces bounds the number of splits of one object.
const mostPlaces = 100_000

// places returns the offsets at which splits would end if every byte were a line.
func (p *linePlan) places() []int64 {
	size := max(p.object.Size-p.start, 0)
	piece := min(max(p.large.minLines, size/int64(2*p.large.rows.Requests)), p.large.maxLines)
	piece = max(piece, size/mostPlaces) // the size is what the store says, and may be anything
	n := max(size/piece+min(size%piece, 1), 1)
	places := make([]int64, 0, n+1)
	for i := range n + 1 {
		places = append(places, p.start+size/n*i+size%n*i/n) // no product of size and i: it may overflow
	}
	return places
}

// errIndivisible says that the object cannot be divided.
var errIndivisible = errors.New("cannot be divided")

// lineStart returns the offset of the first line that starts in [from, to), 0 if there is none. For
// the start of the plan it checks whether the object can be divided at all.
func (p *linePlan) lineStart(ctx context.Context, from, to int64) (int64, error) {
	if from == p.start {
		return 0, p.divisible(ctx)
	}
	at, size := from-1, p.large.probe
	for at < to-1 {
		end := min(at+size, to-1)
		i, err := p.lineEnd(ctx, at, end)
		if i >= 0 || err != nil {
			return at + i + 1, err
		}
		at, size = end, min(2*size, p.large.minLines)
	}
	return 0, nil
}

// lineEnd returns the position in [from, end) of the first line end, -1 if there is none. A line
// may be of any length, so it keeps only a block of it.
func (p *linePlan) lineEnd(ctx context.Context, from, end int64) (at int64, err error) {
	in, err := body.OpenRange(ctx, p.stored, from, end)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	block := make([]byte, min(p.large.probe, end-from))
	for at < end-from {
		data := block[:min(int64(len(block)), end-from-at)]
		if _, err := io.ReadFull(in, data); err != nil {
			return 0, err
		}
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return at + int64(i), nil
		}
		at += int64(len(data))
	}
	return -1, nil
}

func (p *linePlan) divisible(ctx context.Context) error {
	in, err := body.OpenRange(ctx, p.stored, 0, min(longestMagic, p.object.Size))
	if err != nil {
		return err
	}
	defer in.Close()
	head := make([]byte, min(longestMagic, p.object.Size))
	_, err = io.ReadFull(in, head)
	if err == nil && indivisible(head) {
		err = errIndivisible
	}
	return err
}

const longestMagic = 16

// ahead yields the results of find for 0 to n-1, in order, and runs up to most calls at once.
func ahead(ctx context.Context, n, most int, find func(context.Context, int) (int64, error)) func(func(int64, error) bool) {
	type found struct {
		at  int64
		err error
	}
	return func(yield func(int64, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wait sync.WaitGroup
		defer wait.Wait()
		defer cancel()
		results := make([]chan found, n)
		begin := func(i int) {
			results[i] = make(chan found, 1)
			wait.Go(func() {
				at, err := find(ctx, i)
				results[i] <- found{at, err}
			})
		}
		for i := range n + most {
			if i < n {
				begin(i)
			}
			if i < most {
				continue
			}
			if i-most >= n {
				return
			}
			if f := <-results[i-most]; !yield(f.at, f.err) || f.err != nil {
				return
			}
		}
	}
}
