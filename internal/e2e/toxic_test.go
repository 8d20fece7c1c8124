package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

// toxin is what goes wrong on the wire between the SDK and an S3 server.
type toxin struct {
	method string // of the request
	part   string // what the path or query contains; empty: any
	first  int    // the first matching request that is hit, from 1; 0: the first
	times  int    // how many are hit; 0: all from first on
	do     func(f *front, w http.ResponseWriter, r *http.Request)
}

// front is an S3 server that passes requests on to another one, unless a toxin hits them.
type front struct {
	proxy *httputil.ReverseProxy

	mu     sync.Mutex // guards what follows
	toxins []toxin
	seen   []int
	hits   int
}

// newFront returns a front, and the bucket behind it by way of it.
func newFront(t *testing.T, address, bucket string) (*front, *blob.Bucket) {
	t.Helper()
	target, err := url.Parse(address)
	require.NoError(t, err)
	f := &front{proxy: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the signature covers it
	}}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, openS3(t, server.URL, bucket)
}

// inject adds a toxin.
func (f *front) inject(x toxin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x.first = max(x.first, 1)
	f.toxins, f.seen = append(f.toxins, x), append(f.seen, 0)
}

// hit is how many requests were hit.
func (f *front) hit() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if x := f.pick(r); x != nil {
		x.do(f, w, r)
		return
	}
	f.proxy.ServeHTTP(w, r)
}

// pick returns the first toxin that hits r.
func (f *front) pick(r *http.Request) (hit *toxin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.toxins {
		x := &f.toxins[i]
		if r.Method != x.method || !strings.Contains(r.URL.String(), x.part) {
			continue
		}
		f.seen[i]++
		if n := f.seen[i] - x.first; hit == nil && n >= 0 && (x.times == 0 || n < x.times) {
			hit = x
			f.hits++
		}
	}
	return hit
}

// answer is the server's refusal, as S3 spells it.
func answer(status int, code string) func(*front, http.ResponseWriter, *http.Request) {
	return func(_ *front, w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>toxic</Message></Error>", code)
		}
	}
}

// hangUp breaks the connection before the server has heard of the request.
func hangUp(_ *front, _ http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

// loseAnswer lets the server do its work and breaks the connection instead of answering.
func loseAnswer(f *front, _ http.ResponseWriter, r *http.Request) {
	f.proxy.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// resetHalfWay sends half of the body and breaks the connection.
func resetHalfWay(f *front, w http.ResponseWriter, r *http.Request) {
	got := f.copyHeader(w, r)
	w.WriteHeader(got.Code)
	_, _ = w.Write(got.Body.Bytes()[:got.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// halve sends half of the body as if that were all of it. Content-Range still tells the truth.
func halve(f *front, w http.ResponseWriter, r *http.Request) {
	got := f.copyHeader(w, r)
	half := got.Body.Bytes()[:got.Body.Len()/2]
	w.Header().Set("Content-Length", strconv.Itoa(len(half)))
	w.WriteHeader(got.Code)
	_, _ = w.Write(half)
}

// copyHeader asks the server and takes over the header of its answer.
func (f *front) copyHeader(w http.ResponseWriter, r *http.Request) *httptest.ResponseRecorder {
	got := httptest.NewRecorder()
	f.proxy.ServeHTTP(got, r)
	for name, values := range got.Header() {
		w.Header()[name] = values
	}
	return got
}

// wireFault is a toxin and what becomes of the job.
type wireFault struct {
	toxin
	says string // in the error of the run, or of the one object that it is about; empty: the job succeeds all the same
}

func reads(do func(*front, http.ResponseWriter, *http.Request), times int, says string) wireFault {
	return wireFault{toxin{method: http.MethodGet, part: objectKey(refused), times: times, do: do}, says}
}

func lists(do func(*front, http.ResponseWriter, *http.Request), times int, says string) wireFault {
	return wireFault{toxin{method: http.MethodGet, part: "list-type=2", times: times, do: do}, says}
}

func writes(part string, do func(*front, http.ResponseWriter, *http.Request), times int, says string) wireFault {
	return wireFault{toxin{method: http.MethodPut, part: part, times: times, do: do}, says}
}

func whatTheWireDoes() map[string]wireFault {
	const once, twice, always = 1, 2, 0
	slowDown := answer(http.StatusServiceUnavailable, "SlowDown")
	broken := answer(http.StatusInternalServerError, "InternalError")
	denied := answer(http.StatusForbidden, "AccessDenied")
	conflict := answer(http.StatusConflict, "ConditionalRequestConflict")
	return map[string]wireFault{
		"reads are throttled a while":    reads(slowDown, twice, ""),
		"reads are throttled":            reads(slowDown, always, "SlowDown"),
		"a read breaks the server":       reads(broken, once, ""),
		"reads are refused":              reads(denied, always, "AccessDenied"),
		"a read is hung up on":           reads(hangUp, once, ""),
		"a body is reset":                reads(resetHalfWay, once, ""),
		"bodies are always reset":        reads(resetHalfWay, always, "EOF"),
		"a body is half":                 reads(halve, once, ""),
		"bodies are always half":         reads(halve, always, objectKey(refused)),
		"listing is throttled a while":   lists(slowDown, twice, ""),
		"listing is throttled":           lists(slowDown, always, "SlowDown"),
		"listing is refused":             lists(denied, always, "AccessDenied"),
		"a part is throttled a while":    writes("SUCCEEDED_", slowDown, twice, ""),
		"a part's answer is lost":        writes("SUCCEEDED_", loseAnswer, once, ""),
		"all parts' answers are lost":    writes("SUCCEEDED_", loseAnswer, always, ""),
		"a part is hung up on":           writes("SUCCEEDED_", hangUp, once, ""),
		"parts are refused":              writes("SUCCEEDED_", denied, always, "AccessDenied"),
		"the run's answer is lost":       writes("run.json", loseAnswer, once, ""),
		"a race for the run":             writes("run.json", conflict, once, ""),
		"the manifest's answer is lost":  writes("manifest.json", loseAnswer, once, ""),
		"the manifest breaks the server": writes("manifest.json", broken, always, "InternalError"),
	}
}

func TestFaultsOnTheWireNeverLoseResults(t *testing.T) {
	const n = 24
	onEachStore(t, func(t *testing.T, s store) {
		if s.endpoint == nil {
			return // no wire
		}
		address, name := s.endpoint(t)
		b := openS3(t, address, name)
		fill(t, b, n)
		for what, fault := range whatTheWireDoes() {
			t.Run(what, func(t *testing.T) {
				wire, bucket := newFront(t, address, name)
				wire.inject(fault.toxin)
				opts := options(unique())
				if fault.says != "" {
					opts.Retry.MaxAttempts = 2
				}
				_, err := runJob(t.Context(), bucket, bucket, opts)
				require.Positive(t, wire.hit())
				switch {
				case fault.says == "":
					require.NoError(t, err)
					judge(t, b, opts.RunID, n, nil)
				case fault.part == objectKey(refused):
					judge(t, b, opts.RunID, n, err, refused)
					failed := openFolder(t, b, "runs/"+opts.RunID).records["FAILED"][objectKey(refused)]
					require.Contains(t, failed.Error, fault.says)
				default:
					require.ErrorContains(t, err, fault.says)
					judge(t, b, opts.RunID, n, err)
				}
			})
		}
	})
}
