package dmapweb

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/source"
)

// events reads the events of a stream.
func events(t *testing.T, server *httptest.Server, path string) (next func() (name, data string), end func()) {
	t.Helper()
	response, err := server.Client().Get(server.URL + path) //nolint:bodyclose // end closes it
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewReader(response.Body)
	next = func() (name, data string) {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return "", err.Error()
			}
			line = strings.TrimSuffix(line, "\n")
			switch {
			case line == "":
				return name, data
			case strings.HasPrefix(line, "event: "):
				name = line[len("event: "):]
			default:
				data = strings.TrimPrefix(line, "data: ")
			}
		}
	}
	return next, func() { _ = response.Body.Close() }
}

func TestAStreamFollowsARunToItsEnd(t *testing.T) {
	p := open(t, Options{})
	run, release := wait(t, p, dmap.Options{RunID: "live", Tolerance: dmap.Tolerance{Count: 50}})
	server := httptest.NewServer(http.StripPrefix("/ops", p))
	defer server.Close()
	next, end := events(t, server, "/ops/api/runs/live/events")
	defer end()
	name, data := next()
	require.Equal(t, "state", name)
	var first streamed
	require.NoError(t, json.Unmarshal([]byte(data), &first))
	require.True(t, first.Run.Live)
	require.EqualValues(t, 10, first.Run.Failures.Total)
	require.Empty(t, first.Run.Failures.Groups[0].Samples)
	release()
	<-run.Done()
	var last streamed
	for name == "state" {
		if name, data = next(); name == "state" {
			last = streamed{}
			require.NoError(t, json.Unmarshal([]byte(data), &last))
		}
	}
	require.Equal(t, "end", name)
	require.False(t, last.Run.Live)
	require.Equal(t, watch.StatusSucceeded, last.Run.Verdict.Status)
	response, err := server.Client().Get(server.URL + "/ops/api/runs/other/events")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNotFound, response.StatusCode)
}

func TestAtMost32StreamsAreOpen(t *testing.T) {
	p := open(t, Options{})
	wait(t, p, dmap.Options{RunID: "live", Tolerance: dmap.Tolerance{Count: 50}})
	server := httptest.NewServer(p)
	defer server.Close()
	defer p.Close()
	ends := make([]func(), maxStreams)
	for i := range ends {
		next, end := events(t, server, "/api/runs/live/events")
		name, _ := next()
		require.Equal(t, "state", name)
		ends[i] = end
	}
	response, err := server.Client().Get(server.URL + "/api/runs/live/events")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	for _, end := range ends {
		end()
	}
	require.Eventually(t, func() bool {
		p.site.streams.mu.Lock()
		defer p.site.streams.mu.Unlock()
		return p.site.streams.open == 0
	}, 10*time.Second, 10*time.Millisecond)
}

// A reader that reads nothing is dropped within the write deadline, and the others get messages
// meanwhile.
func TestAReaderThatReadsNothingDelaysNobody(t *testing.T) {
	p := open(t, Options{})
	wait(t, p, dmap.Options{RunID: "live", Tolerance: dmap.Tolerance{Count: 50}})
	run := p.site.set.Find("live")
	slow, err := p.site.streams.subscribe(run)
	require.NoError(t, err)
	fast, err := p.site.streams.subscribe(run)
	require.NoError(t, err)
	for range 3 {
		select {
		case <-fast:
		case <-time.After(10 * time.Second):
			t.Fatal("the fast reader waits")
		}
	}
	require.LessOrEqual(t, len(slow), 1)
	p.site.streams.unsubscribe(run, slow)
	p.site.streams.unsubscribe(run, fast)

	server := httptest.NewServer(p)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /api/runs/live/events HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		p.site.streams.mu.Lock()
		defer p.site.streams.mu.Unlock()
		return p.site.streams.open == 1
	}, 10*time.Second, time.Millisecond)
	p.Close()
	require.Eventually(t, func() bool {
		p.site.streams.mu.Lock()
		defer p.site.streams.mu.Unlock()
		return p.site.streams.open == 0
	}, 10*time.Second, time.Millisecond)
}

// Keys and texts whose JSON form is six times as long leave a message within its bound.
func TestAMessageIsBounded(t *testing.T) {
	nasty := strings.Repeat("\x01", 4096)
	var m streamed
	m.Run.Verdict.Cause, m.Run.Source, m.Run.Version = strings.Repeat("\x02", 100_000), nasty, nasty
	for range 201 {
		g := failgroup.Group{ID: "0123456789ab", Class: nasty[:64], Message: nasty[:512], Count: 9}
		for i := range 16 {
			g.Where = append(g.Where, failgroup.Place{Prefix: nasty[:200+i] + "/", Count: 1})
		}
		g.Trend.Counts = make([]int64, 60)
		for i := range g.Trend.Counts {
			g.Trend.Counts[i] = 1 << 62
		}
		m.Run.Failures.Groups = append(m.Run.Failures.Groups, g)
	}
	for range 10 {
		m.Run.Calls = append(m.Run.Calls, watch.Call{ID: nasty, Key: nasty, Split: nasty, Last: nasty})
	}
	for range 200 {
		m.Run.Marks = append(m.Run.Marks, watch.Mark{Text: nasty[:250]})
	}
	content, err := encodeMessage(m)
	require.NoError(t, err)
	require.LessOrEqual(t, len(content), maxStreamed)
	require.Len(t, m.Run.Calls[0].Key, 4096, "the snapshot is not changed")
	usual := streamed{}
	usual.Run.Failures.Groups = []failgroup.Group{{ID: "x", Message: "no rate", Count: 3}}
	content, err = encodeMessage(usual)
	require.NoError(t, err)
	require.Contains(t, string(content), "no rate")
	require.Equal(t, "ab…", clip("abcd", 2))
	require.Equal(t, "a…", clip("aé", 2))
}

// 100,000 failures of 5,000 kinds: the page stays within its bounds, and loses no count.
func TestThousandsOfKindsOfFailuresStayWithinTheBoundsOfThePage(t *testing.T) {
	p := open(t, Options{})
	n := testsize.Sizes{Short: 10_000, Race: 20_000, Usual: 100_000}.Now()
	_, err := dmap.Map(t.Context(), source.Slice(make([]struct{}, n)), func(ctx context.Context, _ struct{}) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		i := info.Index % 5000
		return 0, fmt.Errorf("kind %c%c%c%s: no rate for year %d", 'a'+i%18, 'a'+i/18%18, 'a'+i/324, strings.Repeat(" long", 200), info.Index)
	}, dmap.Options{RunID: "many", Observer: p.Observer(), Tolerance: dmap.Tolerance{Percentage: 100}})
	require.NoError(t, err)
	content, err := message(p.site.set.Find("many"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(content), maxStreamed)
	found := read[groups](p, "/api/runs/many/groups")
	require.EqualValues(t, n, found.Total)
	require.Len(t, found.Groups, failgroup.MaxGroups+1)
	require.Less(t, p.get("/api/runs/many/groups").Body.Len(), 3<<20)
	t.Logf("a message has %d bytes, all groups %d", len(content), p.get("/api/runs/many/groups").Body.Len())
}

// A run may have a thousand workers, whose names the page does not choose.
func TestAMessageHasFewWorkers(t *testing.T) {
	s := watch.Snapshot{Others: 3}
	for i := range 50 {
		s.Workers = append(s.Workers, watch.Worker{Name: strconv.Itoa(i)})
	}
	for _, c := range []struct{ calls, listed int }{{10, 50}, {5, 25}, {0, 0}} {
		one := s
		size{calls: c.calls}.shrink(&one)
		require.Len(t, one.Workers, c.listed)
		require.Equal(t, 3+50-c.listed, one.Others)
	}
	require.Len(t, s.Workers, 50)
}
