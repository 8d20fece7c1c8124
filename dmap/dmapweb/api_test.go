package dmapweb

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

func TestAFinishedRunIsShownFromTheBucketAlone(t *testing.T) {
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	p := open(t, Options{Bucket: bucket, Prefix: "runs/"})
	runs := read[list](p, "/api/runs")
	require.Len(t, runs.Runs, 1)
	require.Equal(t, "monday", runs.Runs[0].RunID)
	require.Equal(t, watch.StatusSucceeded, runs.Runs[0].Status)
	require.Empty(t, runs.Empty)

	d := read[describe](p, "/api/runs/monday?stored=1")
	require.Equal(t, "SUCCEEDED", d.Status)
	require.Equal(t, counts{Succeeded: 30, Failed: 10, Total: 40, ResultsWritten: 40}, d.ItemCounts)
	require.Equal(t, "40 of 40 items, 100 %", d.Run.Progress.Text)
	require.Equal(t, "runs/monday/manifest-000.json", d.Stored.Manifest)
	require.EqualValues(t, 40, d.Stored.Records)

	found := read[groups](p, "/api/runs/monday/groups")
	require.EqualValues(t, 10, found.Total)
	require.Len(t, found.Groups, 2)
	require.Len(t, found.Groups[0].Tokens, 3)

	all := read[failuresPage](p, "/api/runs/monday/failures?limit=4")
	require.Len(t, all.Failures, 4)
	rest := read[failuresPage](p, "/api/runs/monday/failures?limit=100&after="+all.After)
	require.Len(t, rest.Failures, 6)
	require.Empty(t, rest.After)
	one := read[failuresPage](p, "/api/runs/monday/failures?group="+found.Groups[0].ID)
	require.Len(t, one.Failures, 5)
	require.Len(t, read[failuresPage](p, "/api/runs/monday/failures?q=insolvent").Failures, 5)
	require.Equal(t, "No failure matches.", read[failuresPage](p, "/api/runs/monday/failures?q=nothing").Empty)

	it := read[item](p, "/api/runs/monday/item?token="+one.Failures[2].Token)
	require.Equal(t, "FAILED", it.Kind)
	require.Equal(t, one.Failures[2].Error, it.Error)
	require.Contains(t, it.Input.Why, "hidden")
	require.Empty(t, it.Input.Text)
	for _, path := range []string{"failures?after=x", "failures?after=1-x", "failures?limit=0", "failures?limit=501", "item?token=x", "item"} {
		require.Equal(t, http.StatusBadRequest, p.get("/api/runs/monday/"+path).Code, path)
	}
	require.Equal(t, http.StatusNotFound, p.get("/api/runs/monday/item?token="+strings.Repeat("0", 32)).Code)
	require.Equal(t, http.StatusNotFound, p.get("/api/runs/tuesday").Code)
	require.Equal(t, http.StatusNotFound, p.get("/api/runs/..%2fx").Code)
}

// The edits of a stored run are its marks, and its tolerance is a gauge.
func TestEditsAndToleranceOfAStoredRunAreShown(t *testing.T) {
	bucket := memory(t)
	started := make(chan dmap.LiveRun, 1)
	_, err := dmap.Map(t.Context(), source.Slice(make([]int, 8)), func(ctx context.Context, _ int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		if info.Index == 0 {
			run := <-started
			run.Pause()
			run.Resume()
			require.NoError(t, run.SetTolerance(dmap.Tolerance{Count: 4, Percentage: 80, MinItems: 5}))
		}
		return 0, map[bool]error{true: errors.New("odd")}[info.Index%4 == 1]
	}, dmap.Options{RunID: "monday", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 9}, Observer: &dmap.Observer{
		RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context {
			started <- e.Run
			return ctx
		},
	}}, sink.Bucket[int](bucket, "runs/"))
	require.NoError(t, err)
	p := open(t, Options{Bucket: bucket, Prefix: "runs/"})
	d := read[describe](p, "/api/runs/monday?stored=1")
	require.EqualValues(t, 4, d.ToleratedFailureCount)
	require.InDelta(t, 80, d.ToleratedFailurePercentage, 0)
	require.Equal(t, "2 items (25 %) failed of 4 items or 80 % tolerated", d.Run.Fuel.Text)
	require.InDelta(t, 0.5, d.Run.Fuel.Share, 1e-9)
	require.False(t, d.Run.Fuel.Unknown)
	h := read[history](p, "/api/runs/monday/series")
	require.Zero(t, h.Omitted)
	var texts []string
	for _, m := range h.Marks {
		require.WithinDuration(t, time.Now(), m.At, time.Minute)
		texts = append(texts, m.Kind+": "+m.Text)
	}
	require.Equal(t, []string{"pause: paused", "pause: resumed", "edit: tolerance: 9 items to 4 items or 80 % from 5 items on"}, texts)
	require.Equal(t, h.Marks, d.Run.Marks)
	require.NoError(t, WriteReport(t.Context(), bucket, "runs/", "monday"))
	report, err := bucket.ReadAll(t.Context(), "runs/monday/"+ReportName)
	require.NoError(t, err)
	require.Contains(t, string(report), "<td>tolerance: 9 items to 4 items or 80 % from 5 items on</td>")
	require.Contains(t, string(report), "2 items (25 %) failed of 4 items or 80 % tolerated.")
}

func TestPayloadsAreShownOnRequestAlone(t *testing.T) {
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	p := open(t, Options{Bucket: bucket, Prefix: "runs/", Payloads: true})
	first := read[failuresPage](p, "/api/runs/monday/failures").Failures[0]
	require.Equal(t, fmt.Sprintf(`"loan %d"`, first.Offset), read[item](p, "/api/runs/monday/item?token="+first.Token).Input.Text)
	token := dmap.IdempotencyKey("monday", "item@1")
	it := read[item](p, "/api/runs/monday/item?token="+token)
	require.Equal(t, "SUCCEEDED", it.Kind)
	require.Equal(t, `"loan 1"`, it.Output.Text)
}

func TestALiveRunIsShownAndChanged(t *testing.T) {
	p := open(t, Options{Authorize: func(*http.Request) error { return nil }, Total: func(string) int64 { return 100 }})
	run, release := wait(t, p, dmap.Options{RunID: "live", MaxConcurrency: 20, Tolerance: dmap.Tolerance{Count: 50}})
	require.Equal(t, session{Controls: true}, read[session](p, "/api/session"))
	for _, c := range []struct {
		body string
		code int
	}{
		{`{"action":"concurrency","concurrency":33}`, 200}, {`{"action":"concurrency","concurrency":0}`, 400}, {`{"action":"concurrency","concurrency":20000}`, 400},
		{`{"action":"rate","rate":{"calls":50}}`, 200}, {`{"action":"rate"}`, 400}, {`{"action":"rate","rate":{"calls":-1}}`, 400},
		{`{"action":"tolerance","tolerance":{"count":70}}`, 200}, {`{"action":"tolerance","tolerance":{"percentage":101}}`, 400}, {`{"action":"tolerance"}`, 400},
		{`{"action":"pause"}`, 200}, {`{"action":"explode"}`, 400}, {`{}`, 400}, {``, 400}, {`{"action":"pause"}{}`, 400}, {`{"action":"pause","x":1}`, 400},
		{`{"action":"` + strings.Repeat("x", maxBody) + `"}`, 400},
	} {
		w := p.post("/api/runs/live/control", c.body)
		require.Equal(t, c.code, w.Code, "%s: %s", clip(c.body, 60), w.Body)
	}
	s := run.Stats()
	require.Equal(t, []any{33, dmap.Rate{Calls: 50}, true}, []any{s.Limit, s.Rate, s.Paused})
	require.Equal(t, http.StatusOK, p.post("/api/runs/live/control", `{"action":"resume"}`).Code)
	require.False(t, run.Stats().Paused)
	h := read[history](p, "/api/runs/live/series")
	var texts []string
	for _, m := range h.Marks {
		if m.Kind != watch.MarkPhase {
			texts = append(texts, m.Text)
		}
	}
	require.Equal(t, []string{"the run begins", "concurrency: 20 to 33 calls", "rate: no limit to 50 calls a second", "tolerance: 50 items to 70 items", "paused", "resumed"}, texts)
	sampled := read[failuresPage](p, "/api/runs/live/failures")
	require.Len(t, sampled.Failures, 3)
	require.Contains(t, sampled.Partial, "first three")

	require.Equal(t, http.StatusOK, p.post("/api/runs/live/control", `{"action":"cancel"}`).Code)
	release()
	_, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrCanceled)
	require.ErrorIs(t, err, errCanceledHere)
	d := read[describe](p, "/api/runs/live")
	require.Equal(t, "ABORTED", d.Status)
	require.Equal(t, watch.StatusCanceled, d.Run.Verdict.Status)
	require.Equal(t, http.StatusConflict, p.post("/api/runs/live/control", `{"action":"pause"}`).Code)
	require.Equal(t, http.StatusNotFound, p.post("/api/runs/other/control", `{"action":"pause"}`).Code)
}

func TestASuspensionOnThePageLeavesTheRunOpen(t *testing.T) {
	p := open(t, Options{Authorize: func(*http.Request) error { return nil }})
	run, release := wait(t, p, dmap.Options{RunID: "live", MaxConcurrency: 20, Tolerance: dmap.Tolerance{Count: 50}})
	require.Equal(t, http.StatusOK, p.post("/api/runs/live/control", `{"action":"suspend"}`).Code)
	release()
	_, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrSuspended)
}

func TestFailuresAreExportedWithoutFormulas(t *testing.T) {
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	p := open(t, Options{Bucket: bucket, Prefix: "runs/"})
	w := p.get("/api/runs/monday/failures.csv")
	require.Equal(t, `attachment; filename="monday-failures.csv"`, w.Header().Get("Content-Disposition"))
	rows, err := csv.NewReader(w.Body).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 11)
	require.Equal(t, csvHeader(), rows[0])
	group := read[groups](p, "/api/runs/monday/groups").Groups[1].ID
	rows, err = csv.NewReader(p.get("/api/runs/monday/failures.csv?group=" + group).Body).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 6)
	for text, want := range map[string]string{"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "x=1": "x=1", "": ""} {
		require.Equal(t, want, harmless(text))
	}
	require.Equal(t, "a_b_c", fileName("a\"b\nc"))
}

// An export whose failures cannot be read on is an error, or a connection that ends: never a file
// that looks whole.
func TestAnExportThatBreaksOffIsNoWholeFile(t *testing.T) {
	bucket := memory(t)
	_, err := dmap.Map(t.Context(), source.Slice(make([]int, 200)), func(context.Context, int) (int, error) {
		return 0, errors.New("no rate")
	}, dmap.Options{RunID: "monday", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 200}}, sink.Bucket[int](bucket, "runs/", sink.BucketOptions{PartBytes: 8192}))
	require.NoError(t, err)
	run, err := results.Load(t.Context(), bucket, "runs/", "monday")
	require.NoError(t, err)
	parts := run.FailedParts
	require.Greater(t, len(parts), 2)
	var log bytes.Buffer
	export := func() (w *httptest.ResponseRecorder, aborted any) {
		p := open(t, Options{Bucket: bucket, Prefix: "runs/", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/runs/monday/failures.csv", nil)
		r.Host, w = "localhost:8080", httptest.NewRecorder()
		defer func() { aborted = recover() }()
		p.ServeHTTP(w, r)
		return w, nil
	}
	require.NoError(t, bucket.Delete(t.Context(), parts[len(parts)-1].Key))
	w, aborted := export()
	require.Equal(t, http.ErrAbortHandler, aborted)
	require.Greater(t, w.Body.Len(), 4096)
	require.Contains(t, log.String(), "an export of failures broke off")
	require.Contains(t, log.String(), parts[len(parts)-1].Key)

	require.NoError(t, bucket.Delete(t.Context(), parts[0].Key))
	w, aborted = export()
	require.Nil(t, aborted)
	require.Equal(t, http.StatusBadGateway, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Empty(t, w.Header().Get("Content-Disposition"))
	require.Contains(t, w.Body.String(), parts[0].Key)
}

func TestRedactedKeysAreNowhere(t *testing.T) {
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	open1 := open(t, Options{Bucket: bucket, Prefix: "runs/"})
	key := read[failuresPage](open1, "/api/runs/monday/failures").Failures[0].Key
	require.NotEmpty(t, key)
	p := open(t, Options{Bucket: bucket, Prefix: "runs/", Redact: func(string) string { return "secret" }})
	for _, path := range []string{"failures", "groups", "failures.csv"} {
		content := p.get("/api/runs/monday/" + path).Body.String()
		require.Contains(t, content, "secret", path)
	}
	f := read[failuresPage](p, "/api/runs/monday/failures").Failures[0]
	require.Equal(t, "secret", f.Key)
	require.Equal(t, "secret", read[item](p, "/api/runs/monday/item?token="+f.Token).Key)
}

// The records of a run keep its keys. Its page hides them as its log does.
func TestARunThatRedactsItsKeysHasNoneOnItsPage(t *testing.T) {
	bucket := memory(t)
	p := open(t, Options{Bucket: bucket, Prefix: "runs/"})
	ended(t, bucket, "monday", dmap.Options{Observer: p.Observer(), Redact: dmap.Redact{Key: func(string) string { return "secret" }}})
	for _, path := range []string{"", "/failures", "/groups", "/failures.csv", "/report.html"} {
		content := p.get("/api/runs/monday" + path).Body.String()
		require.NotContains(t, content, "item@", path)
		require.NotContains(t, content, `"item"`, path)
	}
	f := read[failuresPage](p, "/api/runs/monday/failures").Failures[0]
	require.Equal(t, "secret", read[item](p, "/api/runs/monday/item?token="+f.Token).Key)
}

func TestARedriveIsPreviewedAndStartedByTheHost(t *testing.T) {
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	type call struct {
		runID string
		with  dmap.Redrive
	}
	var calls []call
	refuse := false
	p := open(t, Options{
		Bucket: bucket, Prefix: "runs/", Authorize: func(*http.Request) error { return nil },
		Redrive: func(_ context.Context, runID string, r dmap.Redrive) error {
			if refuse {
				return errors.New("not today")
			}
			calls = append(calls, call{runID, r})
			return nil
		},
	})
	found := read[groups](p, "/api/runs/monday/groups")
	group := found.Groups[0]
	would := read[preview](p, "/api/runs/monday/redrive?group="+group.ID)
	require.True(t, would.Possible, would.Why)
	require.EqualValues(t, 5, would.Items)
	require.EqualValues(t, 5, would.Trial)
	require.Len(t, would.Samples, 3)
	require.EqualValues(t, 10, read[preview](p, "/api/runs/monday/redrive").Items)
	require.Equal(t, http.StatusNotFound, p.get("/api/runs/monday/redrive?group=ffffffffffff").Code)

	require.Equal(t, http.StatusOK, p.post("/api/runs/monday/redrive", fmt.Sprintf(`{"group":%q,"trial":true}`, group.ID)).Code)
	require.Equal(t, http.StatusOK, p.post("/api/runs/monday/redrive", `{}`).Code)
	require.Len(t, calls, 2)
	require.EqualValues(t, trialItems, calls[0].with.Limit)
	require.Equal(t, 1, calls[1].with.Max)
	require.Equal(t, []string{group.ID}, calls[0].with.Groups)
	require.Empty(t, calls[1].with.Groups)
	refuse = true
	w := p.post("/api/runs/monday/redrive", `{}`)
	require.Equal(t, http.StatusConflict, w.Code)
	require.Contains(t, w.Body.String(), "not today")

	p2 := open(t, Options{Bucket: bucket, Prefix: "runs/", Authorize: func(*http.Request) error { return nil }})
	would = read[preview](p2, "/api/runs/monday/redrive")
	require.False(t, would.Possible)
	require.Contains(t, would.Why, "has not set Options.Redrive")
	require.Equal(t, http.StatusConflict, p2.post("/api/runs/monday/redrive", `{}`).Code)
}

func TestAReportIsOneFileWithoutScripts(t *testing.T) {
	bucket := memory(t)
	ended(t, bucket, "monday", dmap.Options{})
	require.NoError(t, WriteReport(t.Context(), bucket, "runs/", "monday"))
	content, err := bucket.ReadAll(t.Context(), "runs/monday/"+ReportName)
	require.NoError(t, err)
	text := string(content)
	require.Contains(t, text, "Succeeded, with 10 tolerated failures.")
	require.Contains(t, text, "5 × error: ")
	require.Contains(t, text, "manifest-000.json")
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "ZgotmplZ")
	_, err = results.Load(t.Context(), bucket, "runs/", "monday")
	require.NoError(t, err)
	removed, err := results.Clean(t.Context(), bucket, "runs/", "monday")
	require.NoError(t, err)
	require.Empty(t, removed, "a report is no garbage")
	require.Error(t, WriteReport(t.Context(), bucket, "runs/", "tuesday"))

	p := open(t, Options{Bucket: bucket, Prefix: "runs/", Authorize: func(*http.Request) error { return nil }})
	_, release := wait(t, p, dmap.Options{RunID: "live", Tolerance: dmap.Tolerance{Count: 50}})
	w := p.get("/api/runs/live/report.html")
	require.Contains(t, w.Body.String(), "the run begins")
	style := w.Body.String()[strings.Index(w.Body.String(), "<style>")+len("<style>") : strings.Index(w.Body.String(), "</style>")]
	require.Equal(t, reportStyle(), style, "the policy allows it by its hash")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, http.StatusConflict, p.post("/api/runs/live/report", `{}`).Code)
	require.Equal(t, http.StatusOK, p.post("/api/runs/monday/report", `{}`).Code)
	release()
}

func TestAnEmptyPageSaysWhatToDo(t *testing.T) {
	p := open(t, Options{})
	require.Contains(t, read[list](p, "/api/runs").Empty, "give page.Observer() to Options.Observer")
	require.Contains(t, p.get("/api/runs/monday").Body.String(), "set Options.Bucket")
	p = open(t, Options{Bucket: memory(t), Prefix: "runs/"})
	require.Contains(t, read[list](p, "/api/runs").Empty, "give the same bucket and prefix to sink.Bucket")
}

func TestTheListOfABucketHasPages(t *testing.T) {
	bucket := memory(t)
	for i := range 30 {
		ended(t, bucket, fmt.Sprintf("run-%02d", i), dmap.Options{})
	}
	require.NoError(t, bucket.WriteAll(t.Context(), "runs/other/x", nil, nil))
	require.NoError(t, bucket.WriteAll(t.Context(), "runs/<script>/run.json", nil, nil))
	require.NoError(t, bucket.WriteAll(t.Context(), "runs/run-30/run.json", []byte("{"), nil))
	p := open(t, Options{Bucket: bucket, Prefix: "runs/"})
	first := read[list](p, "/api/runs")
	require.Equal(t, "run-30", first.Runs[0].RunID)
	require.NotEmpty(t, first.Runs[0].Error, "a damaged run is in the list")
	require.Equal(t, "run-29", first.Runs[1].RunID)
	second := read[list](p, "/api/runs?after="+first.After)
	require.Empty(t, second.After)
	require.Equal(t, 31, len(first.Runs)+len(second.Runs))
}

// 30 hostile keys and texts are data in every answer, and nothing in the first paint.
func TestHostileTextsAreOnlyText(t *testing.T) {
	p := open(t, Options{})
	hostile := `</script><script>alert(1)</script><img src=x onerror=alert(1)>`
	w := p.get("/?run=" + strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20", "/", "%2F").Replace(hostile))
	require.Equal(t, http.StatusOK, w.Code)
	require.NotContains(t, w.Body.String(), "<script>alert")
	require.NotContains(t, w.Body.String(), "<img")
	v := struct{ X string }{hostile}
	content, err := json.Marshal(v)
	require.NoError(t, err)
	require.NotContains(t, string(content), "<")
}
