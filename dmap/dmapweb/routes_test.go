package dmapweb

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// asked is a way to make a request.
type asked struct {
	name    string
	method  string // empty: that of the route
	host    string
	site    string // Sec-Fetch-Site
	origin  string
	kind    string // Content-Type
	allowed bool   // Authorize allows it
}

// Each route with each kind of request: its answers, and that refused requests change nothing.
func TestEveryRouteRefusesWhatItMust(t *testing.T) {
	const json = "application/json"
	kinds := []asked{
		{"allowed", "", "localhost:8080", "same-origin", "", json, true},
		{"no authorisation", "", "localhost:8080", "same-origin", "", json, false},
		{"cross-site", "", "localhost:8080", "cross-site", "https://evil.example", json, true},
		{"other origin", "", "localhost:8080", "", "https://evil.example", json, true},
		{"wrong host", "", "evil.example:8080", "same-origin", "", json, true},
		{"no host", "", "", "same-origin", "", json, true},
		{"GET", http.MethodGet, "localhost:8080", "same-origin", "", "", true},
		{"form", "", "localhost:8080", "same-origin", "", "application/x-www-form-urlencoded", true},
		{"text", "", "localhost:8080", "same-origin", "", "text/plain", true},
	}
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	allow, redriven := false, 0
	p := open(t, Options{
		Bucket: bucket, Prefix: "runs/",
		Authorize: func(*http.Request) error {
			if !allow {
				return errors.New("not you")
			}
			return nil
		},
		Redrive: func(context.Context, string, dmap.Redrive) error { redriven++; return nil },
	})
	run, _ := wait(t, p, dmap.Options{RunID: "live", Tolerance: dmap.Tolerance{Count: 50}, MaxConcurrency: 20})
	token := read[failuresPage](p, "/api/runs/monday/failures").Failures[0].Token
	bodies := map[string]string{
		"/api/runs/{run}/control": `{"action":"concurrency","concurrency":7}`,
		"/api/runs/{run}/redrive": `{"trial":true}`,
		"/api/runs/{run}/report":  `{}`,
	}
	tested := 0
	for _, route := range p.site.routes() {
		for _, kind := range kinds {
			t.Run(route.method+" "+route.path+" "+kind.name, func(t *testing.T) {
				allow = kind.allowed
				before, redrivenBefore := run.Stats().Limit, redriven
				key := "live"
				if strings.Contains(route.path, "redrive") || strings.HasSuffix(route.path, "/report") || strings.HasSuffix(route.path, "/item") {
					key = "monday"
				}
				path := strings.NewReplacer("{$}", "", "{file}", "app.js", "{run}", key).Replace(route.path)
				if strings.HasSuffix(path, "/item") {
					path += "?token=" + token
				}
				method := route.method
				if kind.method != "" {
					method = kind.method
				}
				r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(bodies[route.path]))
				r.Host = kind.host
				for name, value := range map[string]string{"Sec-Fetch-Site": kind.site, "Origin": kind.origin, "Content-Type": kind.kind} {
					if value != "" {
						r.Header.Set(name, value)
					}
				}
				w := httptest.NewRecorder()
				p.ServeHTTP(w, r)
				want := expected(route, kind, method)
				require.Contains(t, want, w.Code, "%s", w.Body)
				require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
				require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'")
				require.Contains(t, w.Header().Get("Content-Security-Policy"), "base-uri 'none'")
				if changes := route.changes && kind.name == "allowed"; !changes {
					require.Equal(t, before, run.Stats().Limit, "a refused request changed the run")
					require.Equal(t, redrivenBefore, redriven)
				}
				tested++
			})
		}
	}
	require.Equal(t, len(p.site.routes())*len(kinds), tested)
	require.Equal(t, 7, run.Stats().Limit)
	require.Equal(t, 1, redriven)
}

// expected are the statuses that a request may get.
func expected(route route, kind asked, method string) []int {
	isGet := method == http.MethodGet
	switch {
	case kind.name == "wrong host", kind.name == "no host":
		return []int{http.StatusMisdirectedRequest}
	case !isGet && (kind.name == "cross-site" || kind.name == "other origin"):
		return []int{http.StatusForbidden}
	case route.changes && isGet:
		return []int{http.StatusMethodNotAllowed, http.StatusOK, http.StatusNotFound} // OK: GET of the same path shows only
	case route.changes && kind.name == "no authorisation":
		return []int{http.StatusForbidden}
	case route.changes && kind.kind != "application/json":
		return []int{http.StatusUnsupportedMediaType}
	case strings.HasSuffix(route.path, "/events"):
		return []int{http.StatusNotImplemented} // a recorder has no deadlines
	default:
		return []int{http.StatusOK}
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	p := open(t, Options{Authorize: func(*http.Request) error { return nil }})
	require.Equal(t, http.StatusNotFound, p.get("/api/nothing").Code)
	require.Equal(t, http.StatusNotFound, p.get("/assets/index.html").Code, "templates are no assets")
	require.Equal(t, http.StatusNotFound, p.get("/assets/..%2fpage.go").Code)
	require.Equal(t, http.StatusNotFound, p.get("/api/runs/monday").Code)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/api/runs", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusMethodNotAllowed, p.do(r).Code)
	require.Equal(t, http.StatusOK, p.do(httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/", nil)).Code)
}

func TestAPageWithoutAuthorizeIsReadOnly(t *testing.T) {
	p := open(t, Options{})
	run, _ := wait(t, p, dmap.Options{RunID: "live", Tolerance: dmap.Tolerance{Count: 50}})
	w := p.post("/api/runs/live/control", `{"action":"cancel"}`)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), "read-only")
	require.Equal(t, dmap.StateRunning, run.Stats().State)
	require.False(t, read[session](p, "/api/session").Controls)
}

func TestOnlyNamesOfTheOptionsAddressesAndLocalhostAreAnswered(t *testing.T) {
	h := newHosts([]string{"Jobs.Example.com."})
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:80": true, "127.0.0.1:8080": true, "[::1]:8080": true, "[::1]": true, "::1": true, "10.1.2.3": true,
		"jobs.example.com": true, "jobs.example.com.:443": true, "evil.example": false, "jobs.example.com.evil.example": false, "": false,
		"localhost.evil.example": false, "localhost:80:80": false, "127.0.0.1.evil.example": false, "localhost:": false, "localhost:x": false,
		"[fe80::1%25eth0]": false, "0x7f.1": false, "jobs.example.com@evil.example": false, "evil.example:localhost": false,
	} {
		require.Equal(t, want, h.allows(host), host)
	}
}

func TestOptionsThatCannotWorkAreErrors(t *testing.T) {
	redrive := func(context.Context, string, dmap.Redrive) error { return nil }
	for name, c := range map[string]struct {
		opts Options
		want string
	}{
		"prefix":    {Options{Prefix: "runs/"}, "Options.Prefix has no effect without Bucket"},
		"authorize": {Options{Redrive: redrive}, "Options.Redrive needs Authorize"},
		"bucket":    {Options{Redrive: redrive}, "Options.Redrive needs Bucket"},
		"scheme":    {Options{Hosts: []string{"https://x"}}, "want a name without scheme"},
		"port":      {Options{Hosts: []string{"x:80"}}, "want a name without scheme"},
		"wildcard":  {Options{Hosts: []string{"*.x"}}, "want a name without scheme"},
		"empty":     {Options{Hosts: []string{""}}, "want a name without scheme"},
	} {
		_, err := New(c.opts)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestLocalOnlyAllowsThisMachineWithoutAProxy(t *testing.T) {
	for remote, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "10.0.0.1:1": false, "": false, "@": false} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.RemoteAddr = remote
		require.Equal(t, want, LocalOnly(r) == nil, remote)
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		require.Error(t, LocalOnly(r))
	}
}

func TestAFunctionOfTheHostThatPanicsHarmsNobody(t *testing.T) {
	p := open(t, Options{
		Authorize: func(*http.Request) error { panic("no") },
		Redact:    func(string) string { panic("no") },
		Total:     func(string) int64 { panic("no") },
	})
	wait(t, p, dmap.Options{RunID: "live", Tolerance: dmap.Tolerance{Count: 50}})
	require.Equal(t, http.StatusForbidden, p.post("/api/runs/live/control", `{"action":"pause"}`).Code)
	require.Contains(t, p.get("/api/runs/live/groups").Body.String(), "(hidden)")
}
