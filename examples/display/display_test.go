package display

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is a buffer for many goroutines, which says when it has a text.
type output struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	wanted string
	has    chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	if o.has != nil && strings.Contains(o.buf.String(), o.wanted) {
		close(o.has)
		o.has = nil
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func double(_ context.Context, i int) (int, error) { return 2 * i, nil }

func TestRunsAreShownOnTheOutput(t *testing.T) {
	out := &output{}
	d, err := Open(out, "", 3)
	require.NoError(t, err)
	_, err = dmap.Map(t.Context(), source.Slice([]int{1, 2, 3}), double, dmap.Options{RunID: "r", Observer: d.Observer})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.Contains(t, out.String(), "run=r state=succeeded settled=3 total=3")
}

func TestAPageStaysUntilTheInterrupt(t *testing.T) {
	waits := make(chan struct{})
	out := &output{wanted: "Ctrl-C closes the page", has: waits}
	d, err := Open(out, "localhost:0", 3)
	require.NoError(t, err)
	_, err = dmap.Map(t.Context(), source.Slice([]int{1, 2, 3}), double, dmap.Options{RunID: "r", Observer: d.Observer})
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	<-waits
	address := regexp.MustCompile(`http://\S+`).FindString(out.String())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, string(body), "<html")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	require.NoError(t, <-closed)
	_, err = client.Do(request) //nolint:bodyclose // there is no response
	require.Error(t, err)
}

func TestAnAddressThatCannotBeUsedIsAnError(t *testing.T) {
	_, err := Open(io.Discard, "localhost:notaport", 0)
	require.ErrorContains(t, err, "-http localhost:notaport")
	require.ErrorContains(t, err, "give a free address")
}
