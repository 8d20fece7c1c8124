// Command throttling calls an API that allows 60 requests a second: once with a rate below that,
// once without one, and shows how many of its answers were 429.
//
//	go run ./examples/howto/throttling
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaphttp"
	"github.com/go-dmap/dmap/source"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer) error {
	for _, rate := range []dmap.Rate{{Calls: 50}, {}} {
		server := httptest.NewServer(&limited{at: time.Now()})
		defer server.Close()
		stats, err := chargeAll(ctx, server.URL, rate)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "rate %v: %d succeeded, %d calls, of which throttled: %d\n", rate.Calls, stats.Succeeded, stats.Calls, stats.Throttled)
	}
	return nil
}

func chargeAll(ctx context.Context, api string, rate dmap.Rate) (dmap.Stats, error) {
	stats, err := dmap.Map(ctx, source.Slice(orders(100)), func(ctx context.Context, id int) (string, error) {
		return charge(ctx, api, id)
	}, dmap.Options{
		MaxConcurrency: 20,
		Rate:           rate, // the zero Rate: the run follows the answers of the server
	})
	return stats, err
}

// charge makes one request.
func charge(ctx context.Context, api string, id int) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/orders/%d", api, id), nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	return response.Status, dmaphttp.Error(response) // 429 and 503 slow the run down
}

func orders(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	return ids
}

// limited is the API: 60 requests a second, 5 at once.
type limited struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
}

func (l *limited) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	now := time.Now()
	l.tokens, l.at = min(5, l.tokens+60*now.Sub(l.at).Seconds()), now
	accepted := l.tokens >= 1
	if accepted {
		l.tokens--
	}
	l.mu.Unlock()
	if !accepted {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}
}
