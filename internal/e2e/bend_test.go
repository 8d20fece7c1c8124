package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// bender passes requests to the handler of a store and changes requests and answers on their way.
// It knows no store: the bends do.
type bender struct {
	store http.Handler

	mu    sync.Mutex // guards the fields below
	bends []*bend
	hits  int
}

// bend is one change. Of several that take a request the first applies.
type bend struct {
	takes   func(*http.Request) bool // nil: every request
	first   int                      // number of the first request that it takes and changes, from 1; 0: the first
	times   int                      // number of requests that it changes; 0: no limit
	request func(*http.Request)      // changes the request before the store gets it; nil: does not
	answer  func(*reply)             // changes the answer before the client gets it; nil: does not
	silent  bool                     // the store gets nothing and the client no answer

	seen int
}

// reply is the answer of the store.
type reply struct {
	request *http.Request // as the client sent it
	store   http.Handler  // for requests that the bend itself makes
	status  int
	header  http.Header
	body    []byte
	unsized bool // without Content-Length
	// breakAt is the number of bytes of the body after which the connection breaks, or nothing more
	// comes if stalls is set; -1: the body is whole. Content-Length is that of the whole body.
	breakAt int
	stalls  bool
}

// bendProxy is the handler of the store at address.
func bendProxy(t *testing.T, address string) http.Handler {
	t.Helper()
	target, err := url.Parse(address)
	require.NoError(t, err)
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // a signature covers it
	}}
}

// newBender starts a server with the bends in front of store and returns its address.
func newBender(t *testing.T, store http.Handler, bends ...bend) (*bender, string) {
	t.Helper()
	b := &bender{store: store}
	for _, x := range bends {
		b.add(x)
	}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return b, server.URL
}

func (b *bender) add(x bend) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bends = append(b.bends, &x)
}

// hit returns the number of changed requests and answers.
func (b *bender) hit() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hits
}

func (b *bender) pick(r *http.Request) (hit *bend) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.bends {
		if x.takes != nil && !x.takes(r) {
			continue
		}
		x.seen++
		if n := x.seen - max(x.first, 1); hit == nil && n >= 0 && (x.times == 0 || n < x.times) {
			hit = x
			b.hits++
		}
	}
	return hit
}

func (b *bender) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := b.pick(r)
	switch {
	case x == nil:
		b.store.ServeHTTP(w, r)
		return
	case x.silent:
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not see the client leave
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	sent := r.Clone(r.Context())
	if x.request != nil {
		x.request(sent)
	}
	a := ask(b.store, sent)
	a.request = r
	if x.answer != nil {
		x.answer(a)
	}
	a.send(w)
}

// ask returns the answer of a store to r.
func ask(store http.Handler, r *http.Request) *reply {
	got := httptest.NewRecorder()
	store.ServeHTTP(got, r)
	return &reply{request: r, store: store, status: got.Code, header: got.Header(), body: got.Body.Bytes(), breakAt: -1}
}

func (a *reply) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	head := a.request.Method == http.MethodHead
	switch {
	case a.unsized:
		w.Header().Del("Content-Length")
	case !head:
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if head {
		return
	}
	if a.unsized { // the server sets a length unless the header leaves first
		_ = http.NewResponseController(w).Flush()
	}
	if a.breakAt < 0 {
		_, _ = w.Write(a.body)
		return
	}
	_, _ = w.Write(a.body[:min(a.breakAt, len(a.body))])
	_ = http.NewResponseController(w).Flush()
	if a.stalls {
		<-a.request.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

// refuse makes an error of the format of S3 and Azure of an answer.
func refuse(status int, code string) func(*reply) {
	return func(a *reply) {
		a.status, a.header = status, http.Header{"Content-Type": {"application/xml"}}
		a.body = []byte("<Error><Code>" + code + "</Code><Message>bent</Message></Error>")
	}
}

func TestABenderChangesRequestsAndAnswers(t *testing.T) {
	store := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "range "+r.Header.Get("Range"))
	})
	gets := func(r *http.Request) bool { return r.Method == http.MethodGet }
	b, address := newBender(t, store,
		bend{takes: gets, first: 2, times: 1, request: func(r *http.Request) { r.Header.Del("Range") }},
		bend{takes: gets, first: 3, times: 1, answer: func(a *reply) { a.unsized = true }},
		bend{takes: gets, first: 4, times: 1, answer: func(a *reply) { a.breakAt = 3 }},
		bend{takes: gets, first: 5, times: 1, answer: refuse(http.StatusForbidden, "AccessDenied")},
	)
	for i, want := range []struct {
		body   string
		length int64
		status int
	}{{"range x", 7, 200}, {"range ", 6, 200}, {"range x", -1, 200}, {"ran", 7, 200}, {"<Error>", 63, 403}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Range", "x")
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(got.Body)
		require.NoError(t, got.Body.Close())
		require.Equal(t, i == 3, err != nil, "%d: %v", i, err)
		require.Equal(t, want.status, got.StatusCode)
		require.Equal(t, want.length, got.ContentLength, "%d", i)
		require.Equal(t, want.body, string(body)[:len(want.body)])
	}
	require.Equal(t, 4, b.hit())
}
