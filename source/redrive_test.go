package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// failedRun maps 40 numbers of lines.jsonl into runs/<id>/ of a bucket: those divisible by 3 fail,
// in two classes, and one line is no number.
func failedRun(t *testing.T, id string, options ...sink.BucketOptions) *blob.Bucket {
	t.Helper()
	text := strings.Replace(manyLines(), `{"n":10}`, `{"n":"ten"}`, 1)
	bucket := memory(t, map[string]string{"lines.jsonl": text})
	_, err := dmap.Map(t.Context(), source.JSONLines[number](bucket, "lines.jsonl"), refuse(3),
		dmap.Options{RunID: id, Tolerance: dmap.Tolerance{Percentage: 100}, MaxConcurrency: 1},
		sink.Bucket[number](bucket, "runs/", options...))
	require.NoError(t, err)
	return bucket
}

// refuse fails on the multiples of by: the even ones in time, the odd ones late.
func refuse(by int) func(context.Context, number) (number, error) {
	return func(_ context.Context, n number) (number, error) {
		switch {
		case n.N%by != 0:
			return number{n.N * n.N}, nil
		case n.N%2 == 0:
			return number{}, fmt.Errorf("%d is refused", n.N)
		default:
			return number{}, fmt.Errorf("%d: %w", n.N, context.DeadlineExceeded)
		}
	}
}

const ownManifest = "runs/first/manifest-000.json"

func TestRedrivesConform(t *testing.T) {
	bucket := failedRun(t, "first", sink.BucketOptions{PartBytes: 700})
	require.NoError(t, bucket.WriteAll(t.Context(), "sfn/manifest.json", []byte(childManifest(bucket, t, map[string]string{
		"FAILED_0.json": childArray(children(0, 20)), "FAILED_1.json": childLines(children(20, 30)), "FAILED_2.json": "[]",
	})), nil))
	t.Run("own", func(t *testing.T) {
		items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] {
			return source.Failures[number](bucket, ownManifest)
		})
		require.Len(t, items, 18)
	})
	t.Run("step functions", func(t *testing.T) {
		items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] {
			return source.Failures[number](bucket, "sfn/manifest.json")
		})
		require.Len(t, items, 10*3+20, "each third of the children has a batch of three")
	})
}

func TestFailuresComeBackUnderTheirOldNames(t *testing.T) {
	bucket := failedRun(t, "first")
	var old []results.Failure
	m, err := results.Load(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	for r, err := range results.Failures(t.Context(), bucket, m) {
		require.NoError(t, err)
		old = append(old, r)
	}
	items := read(t, source.Failures[number](bucket, ownManifest))
	require.Len(t, items, len(old))
	for i, item := range items {
		require.Equal(t, old[i].ID, item.ID())
		if old[i].Class == "read" {
			require.ErrorContains(t, item.Err, "not read in the earlier run")
			require.Equal(t, "read", dmap.Class(&dmap.ReadError{Err: item.Err}))
			continue
		}
		require.NoError(t, item.Err)
		require.JSONEq(t, string(old[i].Input), fmt.Sprintf(`{"n":%d}`, item.Value.N))
	}
}

func TestARedriveTakesTheItemsThatTheOptionsChoose(t *testing.T) {
	bucket := failedRun(t, "first")
	count := func(options source.RedriveOptions) (taken, skipped int) {
		for _, item := range read(t, source.Failures[number](bucket, ownManifest, options)) {
			if errors.Is(item.Err, dmap.ErrSkip) {
				skipped++
			} else {
				taken++
			}
		}
		return taken, skipped
	}
	for name, c := range map[string]struct {
		options source.RedriveOptions
		taken   int
	}{
		"everything":  {source.RedriveOptions{}, 18},
		"one class":   {source.RedriveOptions{Classes: []string{"timeout"}}, 8},
		"two classes": {source.RedriveOptions{Classes: []string{"timeout", "error"}}, 17},
		"a key":       {source.RedriveOptions{Glob: "lines.*"}, 18},
		"another key": {source.RedriveOptions{Glob: "data/**"}, 0},
		"a function": {source.RedriveOptions{Match: func(o source.Outcome) bool {
			return o.Attempts == 1 && strings.HasPrefix(o.Error, "12 ") && string(o.Input) == `{"n":12}`
		}}, 1},
		"all of them":     {source.RedriveOptions{Classes: []string{"error"}, Match: func(o source.Outcome) bool { return o.Offset > 200 }}, 5},
		"a broken choice": {source.RedriveOptions{Match: func(source.Outcome) bool { panic("boom") }}, 18},
	} {
		taken, skipped := count(c.options)
		require.Equal(t, c.taken, taken, name)
		require.Equal(t, 18-c.taken, skipped, name)
	}
}

func TestPendingYieldsWhatAnInterruptedRunHadRead(t *testing.T) {
	bucket := memory(t, map[string]string{"lines.jsonl": strings.Repeat(`{"n":1}`+"\n", 5000)})
	ctx, cancel := context.WithCancel(t.Context())
	stats, err := dmap.Map(ctx, source.JSONLines[number](bucket, "lines.jsonl"), func(ctx context.Context, _ number) (number, error) {
		cancel()
		<-ctx.Done()
		return number{}, ctx.Err()
	}, dmap.Options{RunID: "first", MaxConcurrency: 1}, sink.Bucket[number](bucket, "runs/", sink.BucketOptions{Express: true}))
	require.ErrorIs(t, err, context.Canceled)
	require.NotZero(t, stats.Pending)
	items := read(t, source.Pending[number](bucket, ownManifest))
	require.Len(t, items, int(stats.Pending))
	for i, item := range items {
		require.NoError(t, item.Err)
		require.Equal(t, number{1}, item.Value)
		require.EqualValues(t, 8*i, item.Offset, "it keeps its name")
	}
}

func TestAPendingItemThatCouldNotBeReadHasNoInput(t *testing.T) {
	bucket := memory(t, map[string]string{"lines.jsonl": `{"n":1}` + "\n" + `{"n":"two"}` + "\n" + `{"n":3}` + "\n"})
	src := source.JSONLines[number](bucket, "lines.jsonl")
	readOn := make(chan struct{})
	run, err := dmap.Start(t.Context(), source.Filter(src, func(n number) bool {
		if n.N == 3 {
			close(readOn)
		}
		return true
	}), func(ctx context.Context, _ number) (number, error) {
		<-ctx.Done()
		return number{}, ctx.Err()
	}, dmap.Options{RunID: "first", MaxConcurrency: 1}, sink.Bucket[number](bucket, "runs/"))
	require.NoError(t, err)
	<-readOn
	run.Pause()
	run.Cancel(nil)
	_, err = run.Wait()
	require.ErrorIs(t, err, dmap.ErrCanceled)
	items := read(t, source.Pending[number](bucket, ownManifest))
	require.GreaterOrEqual(t, len(items), 2)
	require.Equal(t, number{1}, items[0].Value)
	require.ErrorContains(t, items[1].Err, "not read in the earlier run")
	require.Equal(t, "lines.jsonl@8", items[1].ID())
}

func TestObjectsComeBackWithTheirBucket(t *testing.T) {
	in := memory(t, map[string]string{"in/a": "alpha", "in/b": "beta"})
	out := memory(t, nil)
	_, err := dmap.Map(t.Context(), source.Objects(in, "in/"), func(context.Context, source.Object) (string, error) {
		return "", errors.New("not today")
	}, dmap.Options{RunID: "first", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Percentage: 100}}, sink.Bucket[string](out, "runs/"))
	require.NoError(t, err)
	open := func(o source.Object) string {
		data, err := o.ReadAll(t.Context())
		require.NoError(t, err)
		return string(data)
	}
	lost := values(read(t, source.Failures[source.Object](out, ownManifest)))
	require.Len(t, lost, 2)
	_, err = lost[0].ReadAll(t.Context())
	require.ErrorContains(t, err, "see Object.In")
	require.Equal(t, "alpha", open(lost[0].In(in)))

	found := source.Failures[source.Object](out, ownManifest, source.RedriveOptions{In: in})
	require.Equal(t, "beta", open(values(read(t, found))[1]))
	rows := source.Flatten(found, func(o source.Object) dmap.Source[[]string] {
		return source.CSVOf(o, source.Strings, source.CSVOptions{Header: []string{"word"}})
	})
	require.Equal(t, [][]string{{"alpha"}, {"beta"}}, values(read(t, rows)))
}

func TestADamagedPartIsAnError(t *testing.T) {
	bucket := failedRun(t, "first")
	m, err := results.Load(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	key := m.FailedParts[0].Key
	good, err := bucket.ReadAll(t.Context(), key)
	require.NoError(t, err)
	result := func(content []byte) error {
		require.NoError(t, bucket.WriteAll(t.Context(), key, content, nil))
		_, err := try(t.Context(), source.Failures[number](bucket, ownManifest))
		return err
	}
	changed := append([]byte(nil), good...)
	changed[len(changed)/2] ^= 1
	require.ErrorContains(t, result(changed), fmt.Sprintf("part %q: content has another SHA-256", key))
	require.ErrorIs(t, result(good[:len(good)-1]), source.ErrChanged)
	require.NoError(t, result(good))
	require.NoError(t, bucket.Delete(t.Context(), key))
	_, err = try(t.Context(), source.Failures[number](bucket, ownManifest))
	require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
	require.ErrorContains(t, err, key)
}

func TestRecordsWithoutAnInputFailAlone(t *testing.T) {
	bucket := failedRun(t, "first", sink.BucketOptions{Inputs: sink.InputsNone})
	items := read(t, source.Failures[number](bucket, ownManifest))
	require.Len(t, items, 18)
	require.ErrorContains(t, items[0].Err, "the record has no input")
	require.ErrorContains(t, items[0].Err, "line 1 (byte 0)")
	require.Equal(t, "lines.jsonl@0", items[0].ID())
	wrong := failedRun(t, "first")
	require.ErrorContains(t, read(t, source.Failures[[]string](wrong, ownManifest))[0].Err, `input of "lines.jsonl@0"`)
}

func TestInvalidManifestsAreRefused(t *testing.T) {
	for manifest, wrong := range map[string]string{
		`{`: "at byte", `{}`: "no ResultFiles", `[]`: "cannot unmarshal",
		`{"Format":2,"ResultFiles":{}}`:                                                  "format 2",
		`{"ResultFiles":{"FAILED":[{"Key":"other/FAILED_0.json"}]}}`:                     "not in folder",
		`{"ResultFiles":{"FAILED":[{"Key":"run/../x"}]}}`:                                "not in folder",
		`{"ResultFiles":{"FAILED":[{"Key":"run/a"}],"PENDING":[{"Key":"run/a"}]}}`:       "named twice",
		`{"ResultFiles":{"FAILED":[{"Key":"run/a","Size":-1}]}}`:                         "size -1",
		`{"ResultFiles":{"FAILED":[{"Key":"run/a","Size":99999999999999}]}}`:             "size 99999999999999",
		`{"Format":1,"ResultFiles":{"PENDING":[{"Key":"run/a","Size":1,"Records":-1}]}}`: "records -1",
	} {
		bucket := memory(t, map[string]string{"run/manifest-000.json": manifest})
		_, err := try(t.Context(), source.Failures[number](bucket, "run/manifest-000.json"))
		require.ErrorContains(t, err, wrong, manifest)
		require.ErrorContains(t, err, `"run/manifest-000.json"`)
	}
	_, err := try(t.Context(), source.Pending[number](memory(t, nil), "run/manifest-000.json"))
	require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
}

func TestWrongArgumentsOfARedriveAreReportedTogether(t *testing.T) {
	_, err := try(t.Context(), source.Failures[int](nil, "", source.RedriveOptions{Glob: "[", MaxRecord: -1}))
	for _, wrong := range []string{"failures of", "bucket is nil", "key is empty", "glob", "MaxRecord -1"} {
		require.ErrorContains(t, err, wrong)
	}
	bucket := memory(t, nil)
	for _, s := range []dmap.Split{{}, {ID: "x", Object: "x", Version: "dmap:1"}, {Object: "elsewhere", Version: "dmap:1:1:00"}} {
		for _, err := range plan(source.Failures[int](bucket, "run/manifest-000.json")).Read(t.Context(), s) {
			require.ErrorContains(t, err, "it has no split")
		}
	}
}

// children are records as Step Functions writes them; each third one was given a batch.
func children(from, to int) []map[string]any {
	var list []map[string]any
	for i := from; i < to; i++ {
		input := fmt.Sprintf(`{"n":%d}`, i)
		if i%3 == 0 {
			input = fmt.Sprintf(`{"BatchInput":{"factor":2},"Items":[{"n":%d},{"n":%d},{"n":%d}]}`, i, 100+i, 200+i)
		}
		list = append(list, child(i, input))
	}
	return list
}

func child(i int, input string) map[string]any {
	name := fmt.Sprintf("3e9be3f1-0000-4000-8000-%012d", i)
	return map[string]any{
		"Cause": fmt.Sprintf(`{"errorMessage":"no %d"}`, i), "Error": "States.TaskFailed",
		"ExecutionArn": "arn:aws:states:eu-west-1:123456789012:execution:Orders/Charge:" + name,
		"Input":        input, "InputDetails": map[string]any{"Included": true}, "Name": name, "OutputDetails": map[string]any{"Included": true},
		"RedriveCount": 0, "RedriveStatus": "REDRIVABLE_BY_MAP_RUN",
		"StartDate": "2026-11-20T08:00:00.123Z", "StopDate": "2026-11-20T08:00:01.456Z", "Status": "FAILED",
		"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:Orders/Charge",
	}
}

func childArray(list []map[string]any) string {
	text, _ := json.Marshal(list)
	return string(text)
}

func childLines(list []map[string]any) string {
	var b strings.Builder
	for _, c := range list {
		text, _ := json.Marshal(c)
		fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}

// childManifest writes files into sfn/ and returns the manifest that names them, those called
// PENDING as pending.
func childManifest(bucket *blob.Bucket, t *testing.T, files map[string]string) string {
	type file struct {
		Key  string
		Size int
	}
	lists := map[string][]file{"FAILED": {}, "PENDING": {}, "SUCCEEDED": {}}
	for i := range 10 {
		for kind := range lists {
			name := fmt.Sprintf("%s_%d.json", kind, i)
			if text, ok := files[name]; ok {
				require.NoError(t, bucket.WriteAll(t.Context(), "sfn/"+name, []byte(text), nil))
				lists[kind] = append(lists[kind], file{"sfn/" + name, len(text)})
			}
		}
	}
	text, err := json.Marshal(map[string]any{
		"DestinationBucket": "results", "MapRunArn": "arn:aws:states:eu-west-1:123456789012:mapRun:Orders/Charge:3e9be3f1", "ResultFiles": lists,
	})
	require.NoError(t, err)
	return string(text)
}

// A part that was overwritten with other content of the same size is found out before its first
// record, also if reading continues in its middle.
func TestAReplacedPartIsRefusedBeforeItsFirstRecord(t *testing.T) {
	for name, from := range map[string]int64{"from its start": 0, "after a suspension": 5} {
		t.Run(name, func(t *testing.T) {
			bucket := failedRun(t, "first")
			m, err := results.Load(t.Context(), bucket, "runs/", "first")
			require.NoError(t, err)
			key := m.FailedParts[0].Key
			run := func(ctx context.Context, suspendAfter int64) (calls int64, err error) {
				ctx, suspend := context.WithCancelCause(ctx)
				defer suspend(nil)
				_, err = dmap.Map(ctx, source.Failures[number](bucket, ownManifest), func(context.Context, number) (number, error) {
					if calls++; calls == suspendAfter {
						suspend(dmap.ErrSuspended)
						<-time.After(50 * time.Millisecond) // until the engine has seen it
					}
					return number{}, nil
				}, dmap.Options{RunID: "again", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Percentage: 100}}, sink.Bucket[number](bucket, "redrives"))
				return calls, err
			}
			if from > 0 {
				_, err := run(t.Context(), from)
				require.ErrorIs(t, err, dmap.ErrSuspended)
			}
			content, err := bucket.ReadAll(t.Context(), key)
			require.NoError(t, err)
			replaced := strings.ReplaceAll(string(content), `"input":{"n":3`, `"input":{"n":8`) // 3, 30, 33 and so on
			require.Len(t, replaced, len(content))
			require.NotEqual(t, string(content), replaced)
			require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(replaced), nil))
			calls, err := run(t.Context(), 0)
			require.ErrorContains(t, err, fmt.Sprintf("part %q: content has another SHA-256", key))
			require.Zero(t, calls)
			require.NoError(t, bucket.WriteAll(t.Context(), key, content, nil))
			_, err = run(t.Context(), 0)
			require.NoError(t, err)
		})
	}
}

type secretive struct {
	Name string
	Note string `json:"-"`
	code int
}

// redriven runs values, all of which fail, and returns what Failures makes of the records.
func redriven[T any](t *testing.T, value T) dmap.Item[T] {
	t.Helper()
	bucket := memory(t, nil)
	_, err := dmap.Map(t.Context(), source.Slice([]T{value}), func(context.Context, T) (string, error) { return "", errors.New("no") },
		dmap.Options{RunID: "first", Tolerance: dmap.Tolerance{Percentage: 100}}, sink.Bucket[string](bucket, "runs/"))
	require.NoError(t, err)
	items := read(t, source.Failures[T](bucket, ownManifest))
	require.Len(t, items, 1)
	if items[0].Err == nil {
		require.Equal(t, value, items[0].Value)
	}
	return items[0]
}

func TestAnInputThatDoesNotComeBackFromJSONIsRefused(t *testing.T) {
	const inexact = "does not come back from JSON as it was"
	require.NoError(t, redriven(t, []string{"café", "\ufffd", ""}).Err)
	require.NoError(t, redriven(t, number{7}).Err)
	require.NoError(t, redriven(t, map[string]any{"a": 1.5, "b": []any{"x", nil, true}}).Err)
	require.NoError(t, redriven(t, json.RawMessage(`{"n":1}`)).Err)
	require.NoError(t, redriven(t, []byte("caf\xe9")).Err)
	require.NoError(t, redriven(t, secretive{Name: "a"}).Err, "nothing is left out")
	require.ErrorContains(t, redriven(t, []string{"caf\xe9"}).Err, inexact)
	require.ErrorContains(t, redriven(t, secretive{Name: "a", Note: "b"}).Err, inexact)
	require.ErrorContains(t, redriven(t, secretive{Name: "a", code: 1}).Err, inexact)
	require.ErrorContains(t, redriven(t, map[string]any{"a": 1}).Err, inexact, "an int becomes a float64")
	require.ErrorContains(t, redriven(t, map[string]string{"caf\xe9": ""}).Err, inexact)
}

func TestAnyBytesOfARowAreNotRunAgainAsOtherBytes(t *testing.T) {
	bucket := memory(t, map[string]string{"rows.csv": "name\ncaf\xe9\nbar\n"})
	src := source.CSV(bucket, "rows.csv", source.Strings, source.CSVOptions{AnyBytes: true})
	_, err := dmap.Map(t.Context(), src, func(context.Context, []string) (string, error) { return "", errors.New("no") },
		dmap.Options{RunID: "first", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Percentage: 100}}, sink.Bucket[string](bucket, "runs/"))
	require.NoError(t, err)
	items := read(t, source.Failures[[]string](bucket, ownManifest))
	require.Len(t, items, 2)
	require.ErrorContains(t, items[0].Err, "does not come back from JSON")
	require.NoError(t, items[1].Err)
	require.Equal(t, []string{"bar"}, items[1].Value)
}
