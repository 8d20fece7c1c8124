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
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/testsize"
)

// toxin is a fault in the network between the SDK and an S3 server.
type toxin struct {
	method string // of the request
	part   string // substring of the path or query; empty: any
	first  int    // number of the first matching request with the fault, from 1; 0: the first
	times  int    // number of requests with the fault; 0: no limit
	do     func(f *front, w http.ResponseWriter, r *http.Request)
}

// front is an S3 server that forwards requests to another one, unless a toxin applies.
type front struct {
	proxy *httputil.ReverseProxy

	mu     sync.Mutex // guards the fields below
	toxins []toxin
	seen   []int
	hits   int
}

// newFront returns a front for the server at address, and the bucket opened through it.
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

// hit returns the number of requests with a fault.
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

// pick returns the first toxin that applies to r.
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

// answer returns an error response in the format of S3.
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

// hangUp breaks the connection before the server gets the request.
func hangUp(_ *front, _ http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

// loseAnswer lets the server process the request, and breaks the connection instead of answering.
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

// truncateBody sends half of the body as if it were complete. Content-Range is still right.
func truncateBody(f *front, w http.ResponseWriter, r *http.Request) {
	got := f.copyHeader(w, r)
	half := got.Body.Bytes()[:got.Body.Len()/2]
	w.Header().Set("Content-Length", strconv.Itoa(len(half)))
	w.WriteHeader(got.Code)
	_, _ = w.Write(half)
}

// copyHeader forwards the request and copies the header of the answer.
func (f *front) copyHeader(w http.ResponseWriter, r *http.Request) *httptest.ResponseRecorder {
	got := httptest.NewRecorder()
	f.proxy.ServeHTTP(got, r)
	for name, values := range got.Header() {
		w.Header()[name] = values
	}
	return got
}

// wireFault is a toxin and its effect on the job.
type wireFault struct {
	toxin
	says string // text in the error of the run, or of the affected object; empty: the job succeeds
}

func readFault(do func(*front, http.ResponseWriter, *http.Request), times int, says string) wireFault {
	return wireFault{toxin{method: http.MethodGet, part: objectKey(refused), times: times, do: do}, says}
}

func listFault(do func(*front, http.ResponseWriter, *http.Request), times int, says string) wireFault {
	return wireFault{toxin{method: http.MethodGet, part: "list-type=2", times: times, do: do}, says}
}

func writeFault(part string, do func(*front, http.ResponseWriter, *http.Request), times int, says string) wireFault {
	return wireFault{toxin{method: http.MethodPut, part: part, times: times, do: do}, says}
}

// forTwoMinutes is the fault that takes as long as a listing may be throttled.
const forTwoMinutes = "listing is throttled"

func wireFaults() map[string]wireFault {
	const once, twice, always = 1, 2, 0
	slowDown := answer(http.StatusServiceUnavailable, "SlowDown")
	broken := answer(http.StatusInternalServerError, "InternalError")
	denied := answer(http.StatusForbidden, "AccessDenied")
	conflict := answer(http.StatusConflict, "ConditionalRequestConflict")
	return map[string]wireFault{
		"reads are throttled twice":              readFault(slowDown, twice, ""),
		"reads are throttled":                    readFault(slowDown, always, "SlowDown"),
		"one read gets an internal error":        readFault(broken, once, ""),
		"reads are refused":                      readFault(denied, always, "AccessDenied"),
		"the connection of one read is closed":   readFault(hangUp, once, ""),
		"one body is reset":                      readFault(resetHalfWay, once, ""),
		"all bodies are reset":                   readFault(resetHalfWay, always, "EOF"),
		"one body is truncated":                  readFault(truncateBody, once, ""),
		"all bodies are truncated":               readFault(truncateBody, always, objectKey(refused)),
		"listing is throttled twice":             listFault(slowDown, twice, ""),
		forTwoMinutes:                            listFault(slowDown, always, "SlowDown"),
		"listing is refused":                     listFault(denied, always, "AccessDenied"),
		"parts are throttled twice":              writeFault("SUCCEEDED_", slowDown, twice, ""),
		"the answer to one part is lost":         writeFault("SUCCEEDED_", loseAnswer, once, ""),
		"the answers to all parts are lost":      writeFault("SUCCEEDED_", loseAnswer, always, ""),
		"the connection of one part is closed":   writeFault("SUCCEEDED_", hangUp, once, ""),
		"parts are refused":                      writeFault("SUCCEEDED_", denied, always, "AccessDenied"),
		"the answer to run.json is lost":         writeFault("run.json", loseAnswer, once, ""),
		"run.json conflicts with another writer": writeFault("run.json", conflict, once, ""),
		"the answer to the manifest is lost":     writeFault("manifest-000.json", loseAnswer, once, ""),
		"the manifest gets an internal error":    writeFault("manifest-000.json", broken, always, "InternalError"),
	}
}

func TestNetworkFaultsNeverLoseResults(t *testing.T) {
	t.Parallel() // most faults end when all retries have waited in real time
	const n = 24
	onEachStore(t, func(t *testing.T, s store) {
		if s.endpoint == nil {
			return // no wire
		}
		skipServerWithRaceDetector(t, s)
		address, name := s.endpoint(t)
		b := openS3(t, address, name)
		fill(t, b, n)
		for what, fault := range wireFaults() {
			if testing.Short() && fault.says != "" {
				continue // it ends when all retries have waited in real time
			}
			if testsize.RaceDetector && what == forTwoMinutes {
				continue // make test runs it on another server without the race detector
			}
			t.Run(what, func(t *testing.T) {
				t.Parallel()
				wire, bucket := newFront(t, address, name)
				wire.inject(fault.toxin)
				opts := options(unique())
				if fault.says != "" {
					opts.Retry.MaxAttempts, opts.Retry.ThrottledFor = 2, 5*time.Second
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
