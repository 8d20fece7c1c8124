package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// A driver of a store keeps a goroutine for its statistics.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// failing says how item i of a run fails; nil: it does not.
type failing func(i int) error

// folder makes a results folder with runs, each of n items.
func folder(t *testing.T, n int, runs map[string]failing) string {
	t.Helper()
	return folderBelow(t, "runs/", n, runs)
}

// folderBelow is folder with the runs below a prefix.
func folderBelow(t *testing.T, prefix string, n int, runs map[string]failing) string {
	t.Helper()
	dir := t.TempDir()
	bucket := open(t, dir)
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	for id, fails := range runs {
		_, err := dmap.Map(t.Context(), source.Slice(list), func(_ context.Context, i int) (int, error) { return i, fails(i) },
			dmap.Options{RunID: id, MaxConcurrency: 2, Tolerance: dmap.Tolerance{Percentage: 20}}, sink.Bucket[int](bucket, prefix))
		if err != nil {
			require.ErrorIs(t, err, dmap.ErrTolerance)
		}
	}
	return dir
}

func open(t *testing.T, dir string) *blob.Bucket {
	t.Helper()
	bucket, err := blob.OpenBucket(t.Context(), (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir), RawQuery: "metadata=skip&no_tmp_dir=1"}).String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return bucket
}

func everyTenth(i int) error {
	if i%10 == 3 {
		return fmt.Errorf("loan %d: no rate for term %d", i, i%7)
	}
	return nil
}

// do runs the command.
func do(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// done is do for a call that must succeed.
func done(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := do(t, args...)
	require.Equal(t, exitOK, code, stderr)
	return stdout
}

// A person finds out why the nightly job failed, from the folder alone.
func TestAPersonFindsOutWhyTheRunFailed(t *testing.T) {
	dir := folder(t, 100, map[string]failing{
		"2026-11-25": func(int) error { return nil },
		"2026-11-26": func(i int) error {
			return errors.Join(everyTenth(i), map[bool]error{true: errors.New("boom")}[i == 50])
		},
	})
	out := done(t, "runs", dir)
	lines := strings.Split(out, "\n")
	require.Contains(t, lines[0], "RUN")
	require.Regexp(t, `^2026-11-26 +succeeded +100 +11 +0 `, lines[1], "the newest first")
	require.Regexp(t, `^2026-11-25 +succeeded +100 +0 +0 `, lines[2])

	out = done(t, "show", dir) // the newest
	require.Regexp(t, `run +2026-11-26\n`, out)
	require.Contains(t, out, "100 read: 89 succeeded, 11 failed, 0 skipped, 0 held, 0 pending")
	require.Contains(t, out, "Tolerated: true} runs them again")
	require.Contains(t, out, "error: loan <n>: no rate for term <n>")

	out = done(t, "failures", dir, "2026-11-26", "-samples", "2")
	require.Contains(t, out, "11 of 100 items failed (11 %), in 2 groups")
	require.Contains(t, out, "10 items failed (91 % of the failures)")
	require.Contains(t, out, "1 item failed (9.1 % of the failures)")
	require.Equal(t, 3, strings.Count(out, "such as "))
	group := regexp.MustCompile(`(?m)^([0-9a-f]{12})  10 items`).FindStringSubmatch(out)[1]
	out = done(t, "failures", "-group", group, dir, "2026-11-26")
	require.Equal(t, 10, strings.Count(out, "no rate"))
	require.NotContains(t, out, "boom")
	require.Equal(t, "run 2026-11-25: no item has failed\n", done(t, "failures", dir, "2026-11-25"))
}

// The commands that an output names find the same runs.
func TestCommandsInTheOutputNameThePrefix(t *testing.T) {
	dir := folderBelow(t, "nightly/", 100, map[string]failing{
		"a": func(i int) error { return errors.New([]string{"red", "green", "blue", "black", "white"}[i%5]) }, "b": everyTenth,
	})
	prefix := []string{"-prefix", "nightly/", dir}
	place := `-prefix "nightly/" ` + dir
	require.Contains(t, done(t, append([]string{"runs", "-n", "1"}, prefix...)...), "dmap runs -before b "+place+"\n")
	require.Regexp(t, `: dmap failures -group \w+ `+regexp.QuoteMeta(place)+` b\n`, done(t, append([]string{"failures"}, prefix...)...))
	require.Regexp(t, `more groups?: dmap failures `+regexp.QuoteMeta(place)+` a\n`, done(t, append([]string{"show"}, append(prefix, "a")...)...))
}

func TestOnlyAllIsAHundredPercent(t *testing.T) {
	for want, n := range map[string][2]int64{
		"0 %": {0, 10}, "< 0.1 %": {1, 100_000}, "0.5 %": {1, 200}, "62 %": {62, 100}, "99.9 %": {99_999, 100_000}, "100 %": {7, 7},
	} {
		require.Equal(t, want, share(n[0], n[1]))
	}
	require.Equal(t, "0 %", share(0, 0))
}

func TestOutputForPrograms(t *testing.T) {
	dir := folder(t, 100, map[string]failing{"a": everyTenth, "b": everyTenth})
	var ids []string
	for line := range strings.Lines(done(t, "runs", "-json", dir)) {
		var r runLine
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		require.Equal(t, results.Succeeded, r.Status)
		require.EqualValues(t, 10, r.Stats.Failed)
		ids = append(ids, r.RunID)
	}
	require.Equal(t, []string{"b", "a"}, ids)
	require.Contains(t, done(t, "runs", "-n", "1", dir), "earlier runs: dmap runs -before b "+dir+"\n")
	require.NotContains(t, done(t, "runs", "-before", "b", dir), "b  ")

	var r runLine
	require.NoError(t, json.Unmarshal([]byte(done(t, "show", "-json", dir, "a")), &r))
	require.Equal(t, "a", r.RunID)
	var g results.Group
	require.NoError(t, json.Unmarshal([]byte(done(t, "failures", "-json", dir, "a")), &g))
	require.EqualValues(t, 10, g.Count)
	n := 0
	for line := range strings.Lines(done(t, "export", "-format", "jsonl", "-inputs", dir, "a")) {
		var f failureLine
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		require.Equal(t, g.ID, f.Group)
		require.Equal(t, fmt.Sprint(f.Offset), string(f.Input))
		require.False(t, f.At.IsZero())
		n++
	}
	require.Equal(t, 10, n)
	require.NotContains(t, done(t, "export", "-format", "jsonl", dir, "a"), "input", "values are shown on request only")
}

// odd are texts that attack a terminal or a spreadsheet.
func odd() []string {
	return []string{"=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\x1b[31mred", "a\nb", "a\"b,c", "\u202eabc", "\xff\xfe", "<script>alert(1)</script>"}
}

func hostile(t *testing.T) string {
	dir := t.TempDir()
	s := sink.Bucket[int](open(t, dir), "runs/")
	require.NoError(t, s.Begin(t.Context(), dmap.RunSpec{RunID: "r", Source: "s\x1b[2J"}))
	for _, text := range odd() {
		one := dmap.Result[int]{Info: dmap.Info{Key: text, Offset: dmap.WholeObject, Attempt: 1}, Err: errors.New(text), Input: &text}
		require.NoError(t, s.Write(t.Context(), []dmap.Result[int]{one}))
	}
	require.NoError(t, s.Flush(t.Context()))
	end := dmap.Ending{Stats: dmap.Stats{Read: 12, Failed: 12}, EditCount: int64(len(odd()))}
	for _, text := range odd() {
		end.Edits = append(end.Edits, dmap.Edit{At: time.Now(), Setting: text, From: text, To: text})
	}
	require.NoError(t, s.End(t.Context(), end))
	return dir
}

// show prints the changes of settings, and the used share of the tolerance.
func TestShowPrintsEditsAndTolerance(t *testing.T) {
	dir := t.TempDir()
	started := make(chan dmap.LiveRun, 1)
	_, err := dmap.Map(t.Context(), source.Slice(make([]int, 4)), func(ctx context.Context, _ int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		if info.Index > 0 {
			return 0, nil
		}
		run := <-started
		for n := range 12 {
			require.NoError(t, run.SetMaxConcurrency(700*(n+1)))
		}
		require.NoError(t, run.SetTolerance(dmap.Tolerance{Count: 4}))
		return 0, errors.New("odd")
	}, dmap.Options{RunID: "r", MaxConcurrency: 1, Observer: &dmap.Observer{
		RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context {
			started <- e.Run
			return ctx
		},
	}}, sink.Bucket[int](open(t, dir), "runs/"))
	require.NoError(t, err)
	out := done(t, "show", dir)
	require.Regexp(t, `\ntolerance +1 of 4 tolerated failures used\n`, out)
	require.Contains(t, out, "\nsettings changed while the run ran: 13, of which the newest 10 are\n")
	require.Regexp(t, `\n    \d{4}-\d\d-\d\d .*  concurrency: 7,700 to 8,400 calls\n .*  tolerance: none to 4 items\n`, out)
	require.Equal(t, 10, strings.Count(out, "concurrency: ")+strings.Count(out, "tolerance: "))
	var line runLine
	require.NoError(t, json.Unmarshal([]byte(done(t, "show", "-json", dir)), &line))
	require.Equal(t, &dmap.Tolerance{Count: 4}, line.Tolerance)
	require.Len(t, line.Edits, 13)
	require.EqualValues(t, 13, line.EditCount)
}

func TestHostileTextsDoNotReachTheTerminal(t *testing.T) {
	dir := hostile(t)
	for _, args := range [][]string{{"runs"}, {"show"}, {"failures", "-samples", "3"}} {
		out := done(t, append(args, dir)...)
		require.NotContains(t, out, "\x1b")
		require.NotContains(t, out, "\u202e")
		require.NotContains(t, out, "\r")
		require.NotContains(t, out, "\xff")
	}
}

func TestCellsOfACSVAreNoFormulas(t *testing.T) {
	dir := hostile(t)
	read := func(args ...string) (keys []string) {
		rows, err := csv.NewReader(strings.NewReader(done(t, append(append([]string{"export", "-inputs"}, args...), dir)...))).ReadAll()
		require.NoError(t, err)
		require.Equal(t, "key", rows[0][2])
		for _, row := range rows[1:] {
			require.Len(t, row, 11)
			keys = append(keys, row[2])
			for _, cell := range row {
				if len(args) == 0 && cell != "" {
					require.NotContains(t, "=+-@\t\r", cell[:1])
				}
			}
		}
		return keys
	}
	safe, raw := read(), read("-raw")
	require.Len(t, safe, len(odd()))
	require.Equal(t, "'=cmd|' /C calc'!A0", safe[0])
	require.Equal(t, "=cmd|' /C calc'!A0", raw[0])
	require.Contains(t, raw, "a\nb")

	out := done(t, "export", "-format", "jsonl", dir)
	require.Contains(t, out, `"keyBase64":"//4="`)
}

func TestAnExportReplacesNoFileAndLeavesNoHalfOne(t *testing.T) {
	dir := folder(t, 100, map[string]failing{"a": everyTenth})
	file := filepath.Join(t.TempDir(), "failed.jsonl")
	code, _, stderr := do(t, "export", "-o", file, dir)
	require.Equal(t, exitOK, code)
	require.Contains(t, stderr, "10 items of run a in ")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 10, strings.Count(string(content), "\n"))
	require.True(t, json.Valid(bytes.SplitAfter(content, []byte("\n"))[0]), "the name of the file chose the format")
	code, _, stderr = do(t, "export", "-o", file, dir)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "exists")

	parts, err := filepath.Glob(filepath.Join(dir, "runs/a/FAILED_*"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(parts[0], []byte("damaged\n"), 0o600))
	other := filepath.Join(t.TempDir(), "failed.csv")
	code, _, stderr = do(t, "export", "-o", other, dir)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "FAILED_")
	require.NoFileExists(t, other)
}

func TestErrorsNameTheNextStep(t *testing.T) {
	dir := folder(t, 100, map[string]failing{"a": everyTenth, "bad": func(int) error { return errors.New("bad") }})
	empty, elsewhere := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(elsewhere, "loans"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "loans", "x"), nil, 0o600))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "dmap runs"},
		{[]string{"redrive"}, exitUsage, `no command "redrive"`},
		{[]string{"runs"}, exitUsage, "the bucket is missing"},
		{[]string{"runs", dir, "a"}, exitUsage, "one argument too many"},
		{[]string{"show", dir, "a", "b"}, exitUsage, "one argument too many"},
		{[]string{"runs", "-x", dir}, exitUsage, "-x"},
		{[]string{"runs", "-n", "0", dir}, exitUsage, "want 1 to 1000"},
		{[]string{"runs", filepath.Join(dir, "nothing")}, exitError, "give a folder that exists"},
		{[]string{"runs", filepath.Join(elsewhere, "loans", "x")}, exitUsage, "is a file"},
		{[]string{"runs", "nosuch://x?secret=hidden"}, exitError, "nosuch"},
		{[]string{"runs", empty}, exitNoRun, "the bucket has no folders"},
		{[]string{"show", elsewhere}, exitNoRun, `the bucket has the folders "loans/"`},
		{[]string{"show", dir, "c"}, exitNoRun, "dmap runs lists"},
		{[]string{"show", dir, "../x"}, exitError, "run ID"},
		{[]string{"show", "-check", dir, "a"}, exitOK, ""},
		{[]string{"show", "-check", dir, "bad"}, exitState, ""},
		{[]string{"failures", "-group", "0123", dir, "a"}, exitUsage, "no such group"},
		{[]string{"failures", "-samples", "4", dir, "a"}, exitUsage, "0 to 3"},
		{[]string{"export", "-format", "xml", dir, "a"}, exitUsage, "csv or jsonl"},
		{[]string{"serve", "-addr", "nowhere:x", dir}, exitError, "-addr"},
		{[]string{"serve", "-hosts", "*", dir}, exitUsage, "Hosts"},
	} {
		code, _, stderr := do(t, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.says, "%v", c.args)
		require.NotContains(t, strings.TrimSuffix(stderr, "\n"), "hidden")
	}
	for _, c := range commands() {
		require.Contains(t, done(t, c.name, "-h"), c.does)
		require.Contains(t, done(t, "help"), c.does)
	}
}

// writes counts the calls of Write.
type writes struct {
	bytes.Buffer
	calls int
	fails bool
}

func (w *writes) Write(p []byte) (int, error) {
	if w.calls++; w.fails {
		return 0, errors.New("broken pipe")
	}
	return w.Buffer.Write(p)
}

// The items of a large group are not written one by one, and a reader that leaves ends the command.
func TestItemsAreWrittenTogether(t *testing.T) {
	dir := folder(t, 1000, map[string]failing{"r": everyTenth})
	group := regexp.MustCompile(`(?m)^([0-9a-f]{12})  100 items`).FindStringSubmatch(done(t, "failures", dir))[1]
	for _, args := range [][]string{{"failures", "-group", group, dir}, {"failures", "-json", "-group", group, dir}} {
		var out writes
		require.Equal(t, exitOK, run(t.Context(), args, &out, io.Discard))
		require.Equal(t, 100, strings.Count(out.String(), "\n"))
		require.Less(t, out.calls, 20)
	}
	for _, args := range [][]string{{"failures", "-group", group, dir}, {"failures", dir}, {"show", dir}, {"export", dir}, {"runs", dir}, {"show", "-json", dir}} {
		require.Equal(t, exitError, run(t.Context(), args, &writes{fails: true}, io.Discard), args)
	}
}

// A folder that holds no run does not hide the newest run.
func TestTheNewestRunIsFoundBesideOtherFolders(t *testing.T) {
	dir := folder(t, 20, map[string]failing{"2026-11-25": everyTenth, "2026-11-26": everyTenth})
	for _, name := range []string{"backup", "old", "zzz"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "runs", name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "runs", name, "x.txt"), []byte("x"), 0o600))
	}
	require.Regexp(t, `run +2026-11-26\n`, done(t, "show", dir))
	none := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(none, "runs", "backup"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(none, "runs", "backup", "x.txt"), []byte("x"), 0o600))
	code, _, stderr := do(t, "show", none)
	require.Equal(t, exitNoRun, code)
	require.Contains(t, stderr, "no run lies below prefix")
}

// With -json there is JSON also of a run of which nothing counts, and of a state that nobody knows.
func TestRunsOfWhichNothingIsKnown(t *testing.T) {
	dir := t.TempDir()
	s := sink.Bucket[int](open(t, dir), "runs/", sink.BucketOptions{Express: true})
	require.NoError(t, s.Begin(t.Context(), dmap.RunSpec{RunID: "r", Started: time.Now()}))
	var line runLine
	require.NoError(t, json.Unmarshal([]byte(done(t, "show", "-json", dir, "r")), &line))
	require.Equal(t, runLine{RunID: "r", Status: results.Open}, line)
	code, _, _ := do(t, "show", "-json", "-check", dir, "r")
	require.Equal(t, exitState, code)
	require.NoError(t, s.Flush(t.Context()))
	require.NoError(t, s.End(t.Context(), dmap.Ending{}))
	manifest := filepath.Join(dir, "runs", "r", "manifest-000.json")
	content, err := os.ReadFile(manifest)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(manifest, bytes.Replace(content, []byte(`"SUCCEEDED",`), []byte(`"SOME\u001bHOW",`), 1), 0o600))
	require.Regexp(t, `state +SOME\\x1bHOW`, done(t, "show", dir, "r"))
}

func TestADamagedRunDoesNotHideTheOthers(t *testing.T) {
	dir := folder(t, 100, map[string]failing{"a": everyTenth, "b": everyTenth})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "runs/b/manifest-000.json"), []byte("{}"), 0o600))
	out := done(t, "runs", dir)
	require.Regexp(t, `(?m)^b +unreadable: .*manifest-000\.json`, out)
	require.Regexp(t, `(?m)^a +succeeded`, out)
	require.Contains(t, done(t, "runs", "-json", dir), `"unreadable":`)
}

func TestServeServesThePageUntilItIsInterrupted(t *testing.T) {
	dir := folder(t, 100, map[string]failing{"nightly": everyTenth})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "-addr", "localhost:0", dir}, writer, io.Discard)
		_ = writer.Close()
	}()
	buf := make([]byte, 4096)
	n, err := reader.Read(buf)
	require.NoError(t, err)
	address := regexp.MustCompile(`http://\S+/`).FindString(string(buf[:n]))
	require.NotEmpty(t, address, string(buf[:n]))
	go func() { _, _ = io.Copy(io.Discard, reader) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(method, host string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
		require.NoError(t, err)
		if host != "" {
			request.Host = host
		}
		answer, err := client.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	status, body := get(http.MethodGet, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, strings.ToLower(body), "<html")
	status, _ = get(http.MethodGet, "evil.example.com")
	require.Equal(t, http.StatusMisdirectedRequest, status)
	cancel()
	require.Equal(t, exitOK, <-code)
}
