package unpack

import (
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/go-dmap/dmap/internal/budget"
)

// spareDecoders are the decoders of closed streams, by class. A decoder keeps the memory of its
// window for the next stream: else the windows of many streams would be garbage, of several times
// the budget, before they are collected. A sync.Pool finds only some of its values again.
//
// They are dropped if none was used between two collections of garbage.
type spareDecoders struct {
	mu       sync.Mutex
	byClass  [4][]*zstd.Decoder
	bytes    int64 // of their windows
	used     bool  // since the last collection
	watching bool  // a collection calls age
}

var spare spareDecoders //nolint:gochecknoglobals // the memory of a process is one

// take returns a decoder of the class, nil if there is none.
func (s *spareDecoders) take(class int) *zstd.Decoder {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = true
	of := s.byClass[class]
	if len(of) == 0 {
		return nil
	}
	d := of[len(of)-1]
	of[len(of)-1] = nil
	s.byClass[class] = of[:len(of)-1]
	s.bytes -= usualWindow << class
	return d
}

// keep keeps a decoder. If it would exceed the budget with the others, it takes their place.
func (s *spareDecoders) keep(class int, d *zstd.Decoder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = true
	if s.bytes += usualWindow << class; s.bytes > budget.Bytes {
		s.byClass, s.bytes = [4][]*zstd.Decoder{}, usualWindow<<class
	}
	s.byClass[class] = append(s.byClass[class], d)
	if !s.watching {
		s.watching = true
		s.watch()
	}
}

// watch has the next collection of garbage call age.
func (s *spareDecoders) watch() {
	garbage := new([4]*int)
	runtime.AddCleanup(garbage, (*spareDecoders).age, s)
}

// age drops all decoders that were not used since the last collection.
func (s *spareDecoders) age() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		s.used = false
		s.watch()
		return
	}
	s.byClass, s.bytes, s.watching = [4][]*zstd.Decoder{}, 0, false
}
