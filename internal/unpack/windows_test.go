package unpack

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/budget"
)

// zstdOfWindow is a stream of zstd with a short text, which asks for a window of 1<<log bytes.
func zstdOfWindow(log int, text string) []byte {
	block := len(text)<<3 | 1 // the last one, not compressed
	head := []byte{0, byte(log-10) << 3, byte(block), byte(block >> 8), byte(block >> 16)}
	return append(append([]byte(zstdMagic), head...), text...)
}

func dropSpares() {
	for class := range spare.byClass {
		for spare.take(class) != nil {
		}
	}
}

// The windows that streams ask for at once fit into the budget of the process, however many streams
// there are. Nothing is as large here as it says.
func TestWindowsOfManyStreamsFitIntoTheBudget(t *testing.T) {
	for log, together := range map[int]int{20: 8, 24: 4, 25: 2, 26: 1} {
		t.Run(fmt.Sprintf("%d MiB", 1<<log>>20), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer dropSpares() // their channels are of this bubble
				const streams = 16
				var open, ended atomic.Int64
				proceed := make(chan struct{})
				var wait sync.WaitGroup
				for range streams {
					wait.Go(func() {
						r, err := Open(t.Context(), bytes.NewReader(zstdOfWindow(log, "hello")), Limits{})
						if err != nil {
							return
						}
						open.Add(1)
						<-proceed
						text, err := io.ReadAll(r)
						open.Add(-1)
						r.Close()
						if err == nil && string(text) == "hello" {
							ended.Add(1)
						}
					})
				}
				for done := range streams {
					synctest.Wait()
					require.EqualValues(t, min(together, streams-done), open.Load(), "after %d", done)
					proceed <- struct{}{}
				}
				wait.Wait()
				require.EqualValues(t, streams, ended.Load())
				free, err := budget.Take(t.Context(), budget.Bytes)
				require.NoError(t, err, "all is given back")
				free()
			})
		})
	}
}
