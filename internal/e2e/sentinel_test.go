package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/progress"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// The words that the tests plant, and look for in all that a run leaves.
const (
	plantedSecret = "s3cr3tS3ntinel" // a credential
	plantedValue  = "v4lueS3ntinel"  // in the value of an item
	plantedKey    = "k3yS3ntinel"    // in a key
)

// leak is a value whose methods tell it.
type leak struct{ Text string }

func (l leak) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("cannot encode %v", l.Text) }

// secretErrors are errors of functions, each of which holds a credential.
func secretErrors() []error {
	u, _ := url.Parse("https://user:" + plantedSecret + "@acct.blob.core.windows.net/c/b?sv=1&sig=" + plantedSecret)
	return []error{
		&url.Error{Op: "Get", URL: u.String(), Err: errors.New("connection refused")},
		fmt.Errorf("open %q: refused", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey="+plantedSecret+"==;EndpointSuffix=x"),
		fmt.Errorf("upload: https://b.s3.amazonaws.com/k?X-Amz-Credential=A&X-Amz-Signature=%s: 403", plantedSecret),
		errors.New("request failed\nAuthorization: Bearer " + plantedSecret + plantedSecret),
		fmt.Errorf("postgres://u:%s@db/x: %w", plantedSecret, context.DeadlineExceeded),
		dmap.Permanent(errors.New("AWS_SECRET_ACCESS_KEY=" + plantedSecret)),
		errors.Join(errors.New("SharedAccessSignature=sv=1&sig="+plantedSecret), errors.New("x")),
	}
}

// left is all that a run leaves: the content and the names of its objects, its log, its error.
type left struct {
	bucket *blob.Bucket
	mu     sync.Mutex
	log    bytes.Buffer
	errs   []error
}

func (l *left) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *left) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// texts returns each output by a name.
func (l *left) texts(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := map[string]string{"log": l.log.String()}
	for i, err := range l.errs {
		out[fmt.Sprintf("error %d", i)] = fmt.Sprintf("%v\n%+v\n%q", err, err, err)
	}
	list := l.bucket.List(&blob.ListOptions{Prefix: folder})
	for {
		o, err := list.Next(t.Context())
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		content, err := l.bucket.ReadAll(t.Context(), o.Key)
		require.NoError(t, err)
		out[o.Key] = o.Key + "\n" + string(content)
	}
}

// hits names the outputs with a word.
func hits(texts map[string]string, word string) (found []string) {
	for name, text := range texts {
		if strings.Contains(text, word) {
			found = append(found, name)
		}
	}
	return found
}

// secretSource is a source whose name holds a credential.
type secretSource struct{ dmap.Source[string] }

func (secretSource) String() string { return "rows of https://h/x?sig=" + plantedSecret }

// brokenSecret ends with an error that holds a credential.
type brokenSecret struct{}

func (brokenSecret) Items(context.Context) iter.Seq2[dmap.Item[string], error] {
	return func(yield func(dmap.Item[string], error) bool) {
		if yield(dmap.Item[string]{Key: "a", Value: "x", Next: dmap.Cursor{Offset: 1}}, nil) {
			yield(dmap.Item[string]{}, secretErrors()[0])
		}
	}
}

// run runs jobs of all forms over b, into b, and returns what they leave.
func runAllForms(t *testing.T, b *blob.Bucket, o sink.BucketOptions, redact dmap.Redact) *left {
	t.Helper()
	l := &left{bucket: b}
	bad := secretErrors()
	put(t, b, map[string]string{
		"in/" + plantedKey + ".csv":   "N\n1\n" + plantedValue + "\n3\n",
		"in/" + plantedKey + ".jsonl": "{\"N\":1}\n{\"N\":\"" + plantedValue + "\"}\nx" + plantedValue + "\n",
	})
	opts := func(id string) dmap.Options {
		return dmap.Options{
			RunID: id, Tolerance: dmap.Tolerance{Percentage: 100, BrokenObjects: 10}, Logger: l.logger(), Redact: redact,
			Observer: progress.Observer(l, progress.Options{Every: time.Millisecond}), // its lines are part of the log
			Retry:    dmap.Retry{MaxAttempts: 2, Initial: 1},
		}
	}
	values := make([]string, 40)
	for i := range values {
		values[i] = plantedValue + fmt.Sprint(i)
	}
	call := func(_ context.Context, v string) (leak, error) {
		switch n := len(v) + int(v[len(v)-1]); n % 4 {
		case 0:
			panic("panic of " + v)
		case 1:
			return leak{v}, nil
		default:
			return leak{}, bad[n%len(bad)]
		}
	}
	to := func() dmap.Sink[leak] { return sink.Bucket[leak](b, "out", o) }
	keep := func(_ dmap.Stats, err error) { l.errs = append(l.errs, err) }
	keep(dmap.Map(t.Context(), dmap.Source[string](secretSource{source.Slice(values)}), call, opts("slice"), to()))
	strict := opts("strict")
	strict.Tolerance = dmap.Tolerance{}
	keep(dmap.Map(t.Context(), dmap.Source[string](secretSource{source.Slice(values)}), call, strict, to()))
	strict.Redrive = dmap.Redrive{Max: 1}
	keep(dmap.Map(t.Context(), dmap.Source[string](secretSource{source.Slice(values)}), call, strict, to()))
	keep(dmap.MapBatch(t.Context(), source.Slice(values), batch.Limits{Items: 7}, func(_ context.Context, items []dmap.Item[string]) ([]leak, error) {
		return make([]leak, len(items)), batch.Errors{0: bad[0], 2: errors.New("row: " + bad[1].Error())}
	}, opts("batch"), to()))
	keep(dmap.Map(t.Context(), dmap.Source[string](brokenSecret{}), call, opts("source"), to()))
	row := func(context.Context, struct{ N int }) (leak, error) { return leak{}, bad[2] }
	objects := source.Objects(b, "in/")
	keep(dmap.Map(t.Context(), source.Flatten(objects, func(object source.Object) dmap.Source[struct{ N int }] {
		if strings.HasSuffix(object.Key, ".csv") {
			return source.CSVOf(object, source.Into[struct{ N int }])
		}
		return source.JSONLinesOf[struct{ N int }](object)
	}), row, opts("rows"), to()))
	panics := func(_ context.Context, object source.Object) (leak, error) {
		panic(fmt.Errorf("object %q: %w", object.Key, bad[0]))
	}
	keep(dmap.Map(t.Context(), objects, panics, opts("objects"), to()))
	ctx, cancel := context.WithCancelCause(t.Context())
	keep(dmap.Map(ctx, source.Slice(values), func(_ context.Context, v string) (leak, error) {
		cancel(fmt.Errorf("stopped: %w", bad[0]))
		return leak{}, nil
	}, opts("interrupted"), to()))
	for _, id := range []string{"slice", "strict", "rows"} {
		if r, err := results.Load(t.Context(), b, "out", id); err == nil && r.Status != results.Open {
			_, err := results.ExportStepFunctions(t.Context(), b, r, b, "export", results.ExportOptions{URL: o.URL})
			require.NoError(t, err)
		}
	}
	return l
}

func (l *left) all(t *testing.T) map[string]string {
	t.Helper()
	texts := l.texts(t, "out/")
	for name, text := range l.texts(t, "export/") {
		texts[name] = text
	}
	require.Greater(t, len(texts), 30, "all runs have left something")
	indexes := 0
	for name, text := range texts {
		if strings.Contains(name, "GROUPS_") || strings.Contains(name, "/commits/") && strings.Contains(text, `"samples"`) {
			indexes++
		}
	}
	require.Greater(t, indexes, 3, "among it the groups of failures")
	return texts
}

func TestNoOutputHoldsACredential(t *testing.T) {
	t.Setenv("AWS_SESSION_TOKEN", plantedSecret)
	for _, express := range []bool{false, true} {
		l := runAllForms(t, memBucket(t), sink.BucketOptions{URL: "azblob://u:" + plantedSecret + "@c?sig=" + plantedSecret, Express: express}, dmap.Redact{})
		texts := l.all(t)
		require.Empty(t, hits(texts, plantedSecret))
		require.NotEmpty(t, hits(texts, "connection refused"), "the rest of the texts is there")
		require.NotEmpty(t, hits(texts, plantedValue), "failed items have their inputs")
		require.NotEmpty(t, hits(texts, plantedKey))
	}
	l := runAllForms(t, memBucket(t), sink.BucketOptions{URL: "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + plantedSecret}, dmap.Redact{})
	require.Empty(t, hits(l.all(t), plantedSecret))
}

func TestInputsNoneKeepsValuesOutOfEveryOutput(t *testing.T) {
	l := runAllForms(t, memBucket(t), sink.BucketOptions{Inputs: sink.InputsNone}, dmap.Redact{})
	texts := l.all(t)
	require.Empty(t, hits(texts, plantedValue))
	require.Empty(t, hits(texts, plantedSecret))
	require.NotEmpty(t, hits(texts, "which is hidden"))
	require.NotEmpty(t, hits(texts, `column \"N\"`), "where the value stands is known")
}

func TestRedactHidesKeysValuesAndTexts(t *testing.T) {
	redact := dmap.Redact{
		Key:   func(key string) string { return "hidden-key" },
		Input: func(any) any { return "hidden-input" },
		Error: func(text string) string {
			return strings.ReplaceAll(text, plantedValue, "hidden-value")
		},
	}
	l := runAllForms(t, memBucket(t), sink.BucketOptions{}, redact)
	texts := l.all(t)
	require.Empty(t, hits(texts, plantedSecret))
	for _, name := range hits(texts, plantedKey) {
		require.NotEqual(t, "log", name)
		require.NotContains(t, name, "error")
	}
	require.NotEmpty(t, hits(texts, "hidden-key"))
	require.NotEmpty(t, hits(texts, "hidden-input"))
	for _, name := range hits(texts, plantedValue) { // the bytes of rows that do not decode
		require.Contains(t, texts[name], "inputRaw", name)
	}
	panicking := dmap.Redact{Key: func(string) string { panic("x") }, Input: func(any) any { panic("x") }, Error: func(string) string { panic("x") }}
	l = runAllForms(t, memBucket(t), sink.BucketOptions{}, panicking)
	texts = l.all(t)
	require.Empty(t, hits(texts, "connection refused"), "what cannot be redacted is hidden")
	require.NotEmpty(t, hits(texts, "(hidden: "))
}
