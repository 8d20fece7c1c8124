package e2e

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func puts(part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, part)
	}
}

func getsOf(part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return gets(r) && strings.Contains(r.URL.Path, part) }
}

// sinkLies are lies about the objects of a run.
func sinkLies() []lie {
	// notStored answers as if the store had stored the object, which it never gets.
	notStored := func(part string) bend {
		return bend{takes: puts(part), request: func(r *http.Request) { r.Method = http.MethodHead; r.URL.Path = "/" }, answer: func(a *reply) {
			a.status, a.header, a.body = http.StatusOK, http.Header{"Etag": {`"0123456789abcdef0123456789abcdef"`}}, nil
		}}
	}
	return []lie{
		{name: "none", bends: func() []bend { return nil }, mends: true},
		{name: "one part conflicts", bends: one(bend{takes: puts("SUCCEEDED_"), times: 1, answer: refuse(409, "OperationAborted")}), mends: true},
		{name: "one commit conflicts, without a code", bends: one(bend{takes: puts("commits/"), times: 1, answer: refuse(409, "")}), mends: true},
		{name: "one part is busy", bends: one(bend{takes: puts("SUCCEEDED_"), times: 1, answer: refuse(503, "SlowDown")}), mends: true},
		{name: "all parts are busy", bends: one(bend{takes: puts("SUCCEEDED_"), answer: refuse(503, "SlowDown")}), slow: true},
		{name: "all commits are busy", bends: one(bend{takes: puts("commits/"), answer: refuse(503, "SlowDown")}), slow: true},
		{name: "commits are stored, and refused", bends: one(bend{takes: puts("commits/"), answer: refuse(403, "AccessDenied")})},
		{name: "run.json is not stored", bends: one(notStored("run.json"))},
		{name: "parts are not stored", bends: one(notStored("SUCCEEDED_"))},
		{name: "commits are not stored", bends: one(notStored("commits/"))},
		{name: "the manifest is not stored", bends: one(notStored("manifest-"))},
		{name: "manifests are refused", bends: one(bend{takes: getsOf("manifest-"), answer: refuse(403, "AccessDenied")})},
	}
}

// TestASinkOverAStoreThatLiesHasTheRightResultsOrAnError runs a job whose results go to such a
// store, and judges its folder without the lies.
func TestASinkOverAStoreThatLiesHasTheRightResultsOrAnError(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	const n = 24
	address, name := fakeS3(t), bucketName(t)
	makeBucket(t, address, name)
	b := openS3(t, address, name)
	fill(t, b, n)
	for _, l := range sinkLies() {
		if l.slow && os.Getenv("DMAP_LIES") == "" {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			_, bent := newBender(t, bendProxy(t, address), l.bends()...)
			bucket := openS3(t, bent, name)
			opts := options(unique())
			begin := time.Now()
			_, err := runJob(t.Context(), b, bucket, opts)
			require.Less(t, time.Since(begin), liesLimit)
			t.Logf("%.1fs: %v", time.Since(begin).Seconds(), err)
			if l.mends {
				require.NoError(t, err)
			}
			judge(t, b, opts.RunID, n, err)
			if err != nil {
				require.Falsef(t, errors.Is(err, t.Context().Err()) && t.Context().Err() != nil, "%v", err)
			}
		})
	}
}
