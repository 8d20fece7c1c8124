package e2e

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

// bent creates a bucket and opens it a second time through a server that bends answers.
func (e emulator) bent(t *testing.T, bends ...bend) (lies *bender, straight, crooked *blob.Bucket) {
	t.Helper()
	address, name := e.start(t), bucketName(t)
	straight = e.open(t, e.place(address, name))
	require.NoError(t, e.create(t.Context(), straight, name))
	target, err := url.Parse(address)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	lies, front := newBender(t, proxy, bends...)
	return lies, straight, e.open(t, e.place(front, name))
}

// Kinds of requests, as both clouds send them.
func readsOf(part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, part) && !strings.HasPrefix(r.URL.Path, "/storage/v1/")
	}
}

func writesOf(part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, part) ||
			r.Method == http.MethodPost && strings.Contains(r.URL.Query().Get("name"), part)
	}
}

func listsOf(prefix string) func(*http.Request) bool {
	return func(r *http.Request) bool { return lists(r) && r.URL.Query().Get("prefix") == prefix }
}

func lists(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Query().Get("comp") == "list" || strings.HasSuffix(r.URL.Path, "/o"))
}

// The job over a cloud that gives a wrong answer either succeeds with the right items or fails with
// an error that has the answer.
func TestEmulatedLiesAreFoundOut(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	const n = 24
	type lie struct {
		bend
		says string        // text in the error; empty: the job succeeds
		most time.Duration // 0: 30 s
	}
	busy := refuse(http.StatusServiceUnavailable, "ServerBusy")
	away := func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/nowhere", "" } // so that the store does nothing
	lies := map[string]lie{
		"two reads are busy":                 {bend: bend{takes: readsOf("data/"), times: 2, answer: busy}},
		"reads are empty":                    {bend: bend{takes: readsOf(objectKey(refused)), answer: empty}, says: objectKey(refused)},
		"one read is empty":                  {bend: bend{takes: readsOf(objectKey(refused)), times: 1, answer: empty}},
		"one body breaks off":                {bend: bend{takes: readsOf(objectKey(refused)), times: 1, answer: breakAt(3)}},
		"one listing is busy":                {bend: bend{takes: lists, times: 1, answer: busy}},
		"one listing is empty":               {bend: bend{takes: lists, times: 1, answer: empty}},
		"one listing of items is empty":      {bend: bend{takes: listsOf("data/"), times: 1, answer: empty}},
		"listings are refused":               {bend: bend{takes: lists, answer: refuse(http.StatusForbidden, "AuthorizationFailure")}, says: "403"},
		"one part conflicts":                 {bend: bend{takes: writesOf("SUCCEEDED_"), times: 1, answer: refuse(http.StatusConflict, "OperationAborted")}},
		"one upload of run.json conflicts":   {bend: bend{takes: writesOf("run.json"), times: 1, answer: refuse(http.StatusConflict, "OperationAborted")}},
		"one answer to a part is lost":       {bend: bend{takes: writesOf("SUCCEEDED_"), times: 1, answer: breakAt(0)}},
		"one answer to the manifest is busy": {bend: bend{takes: writesOf("manifest-000"), times: 1, answer: busy}},
		"parts are refused":                  {bend: bend{takes: writesOf("SUCCEEDED_"), request: away, answer: refuse(http.StatusForbidden, "AuthorizationFailure")}, says: "403"},
	}
	if !testing.Short() {
		lies["reads are busy for ever"] = lie{bend: bend{takes: readsOf(objectKey(refused)), answer: busy}, says: "503"}
		lies["listings of items are empty"] = lie{bend: bend{takes: listsOf("data/"), answer: empty}, says: "data/", most: 3 * time.Minute}
		lies["parts are busy for ever"] = lie{bend: bend{takes: writesOf("SUCCEEDED_"), request: away, answer: busy}, says: "503", most: 3 * time.Minute}
		lies["listings are busy for ever"] = lie{bend: bend{takes: lists, answer: busy}, says: "503", most: 3 * time.Minute}
	}
	onEachEmulator(t, func(t *testing.T, e emulator) {
		names := slices.SortedFunc(maps.Keys(lies), func(a, b string) int { // those that wait longest first
			return cmp.Or(cmp.Compare(lies[b].most, lies[a].most), cmp.Compare(a, b))
		})
		for _, name := range names {
			lie := lies[name]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if name == "parts are busy for ever" && e.name == "azure" && !testsize.Long() {
					t.Skip("the SDK of Azure waits for 80 s: make long runs it")
				}
				bender, straight, crooked := e.bent(t, lie.bend)
				fill(t, straight, n)
				opts := options(unique())
				opts.Retry.MaxAttempts, opts.Retry.ThrottledFor = 2, -1
				started := time.Now()
				_, err := dmap.Map(t.Context(), source.Objects(crooked, "data/", source.ObjectsOptions{Store: e.features}), square, opts, jobSink(crooked))
				took := time.Since(started)
				require.Positive(t, bender.hit())
				require.Less(t, took, max(lie.most, 30*time.Second))
				t.Logf("%v, %d answers bent, error: %.300v", took.Round(time.Millisecond), bender.hit(), err)
				switch {
				case lie.says == "":
					require.NoError(t, err)
					judge(t, straight, opts.RunID, n, nil)
				case strings.HasPrefix(name, "reads"):
					judge(t, straight, opts.RunID, n, err, refused)
					failed := openFolder(t, straight, "runs/"+opts.RunID).records["FAILED"][objectKey(refused)]
					require.Contains(t, failed.Error, lie.says)
				default:
					require.ErrorContains(t, err, lie.says)
					judge(t, straight, opts.RunID, n, err)
				}
			})
		}
	})
}

// empty makes an answer without a body of an answer.
func empty(a *reply) { a.status, a.body = http.StatusOK, nil }

func breakAt(n int) func(*reply) { return func(a *reply) { a.breakAt = n } }

// A run that has ended is not repeated when its manifest cannot be read.
func TestEmulatedManifestThatIsRefusedIsNoNewRun(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	onEachEmulator(t, func(t *testing.T, e emulator) {
		bender, straight, crooked := e.bent(t)
		fill(t, straight, 10)
		opts := options("ended")
		_, err := runJob(t.Context(), straight, straight, opts)
		require.NoError(t, err)
		bender.add(bend{
			takes: func(r *http.Request) bool {
				return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "manifest-")
			},
			answer: refuse(http.StatusForbidden, "AuthorizationFailure"),
		})
		calls := 0
		_, err = dmap.Map(t.Context(), source.Objects(crooked, "data/"), func(context.Context, source.Object) (squared, error) {
			calls++
			return squared{}, nil
		}, opts, jobSink(crooked))
		require.ErrorContains(t, err, "403")
		require.Zero(t, calls)
		require.Positive(t, bender.hit())
	})
}
