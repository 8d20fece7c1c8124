package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// daily is a run with one ID, whose results go to another bucket.
func daily[T any](t *testing.T, out *blob.Bucket, src dmap.Source[T], opts dmap.Options) (dmap.Stats, error) {
	t.Helper()
	opts.RunID = "2026-01-01"
	return dmap.Map(t.Context(), src, func(_ context.Context, v T) (string, error) { return fmt.Sprint(v), nil }, opts, sink.Bucket[string](out, "runs"))
}

func TestObjectsThatArriveLaterAreFoundByTheSameCall(t *testing.T) {
	lines := func(o source.Object) dmap.Source[int] { return source.JSONLinesOf[int](o) }
	key := func(_ context.Context, o source.Object) (string, error) { return o.Key, nil }
	for name, src := range map[string]func(*blob.Bucket) dmap.Source[string]{
		"objects": func(b *blob.Bucket) dmap.Source[string] { return source.Transform(source.Objects(b, "in/"), key) },
		"glob": func(b *blob.Bucket) dmap.Source[string] {
			return source.Transform(source.Objects(b, "in/", source.ObjectsOptions{Glob: "*.json"}), key)
		},
		"filter": func(b *blob.Bucket) dmap.Source[string] {
			all := source.Filter(source.Objects(b, "in/"), func(source.Object) bool { return true })
			return source.Transform(all, key)
		},
		"concat": func(b *blob.Bucket) dmap.Source[string] {
			return source.Concat(source.Transform(source.Objects(b, "other/"), key), source.Transform(source.Objects(b, "in/"), key))
		},
		"flatten": func(b *blob.Bucket) dmap.Source[string] {
			return source.Transform(source.Flatten(source.Objects(b, "in/"), lines), func(_ context.Context, n int) (string, error) {
				return fmt.Sprint(n), nil
			})
		},
		"flatten of concat": func(b *blob.Bucket) dmap.Source[string] {
			both := source.Concat(source.Objects(b, "in/"), source.Objects(b, "other/"))
			return source.Transform(source.Flatten(both, lines), func(_ context.Context, n int) (string, error) { return fmt.Sprint(n), nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, out := memory(t, map[string]string{"in/": "", "other/x": "7\n"}), memory(t, nil)
			others := int64(0)
			if strings.Contains(name, "concat") {
				others = 1
			}
			for range 2 {
				stats, err := daily(t, out, src(in), dmap.Options{})
				require.ErrorIs(t, err, dmap.ErrNoObjects)
				require.ErrorContains(t, err, `"in/"`)
				require.Equal(t, others, stats.Succeeded, "the others are processed")
			}
			require.NoError(t, in.WriteAll(t.Context(), "in/a.json", []byte("1\n"), nil))
			stats, err := daily(t, out, src(in), dmap.Options{})
			require.NoError(t, err)
			require.EqualValues(t, 1+others, stats.Succeeded)
			require.Equal(t, stats.Read, stats.Succeeded+stats.Failed+stats.Skipped+stats.Pending)
		})
	}
}

func TestAnEmptyListingIsAllowedByAnOption(t *testing.T) {
	in := memory(t, map[string]string{"in/b.csv": "x"})
	allowed := source.ObjectsOptions{AllowEmpty: true, Glob: "*.json"}
	stats, err := daily(t, memory(t, nil), source.Objects(in, "in/", allowed), dmap.Options{})
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Skipped)
	_, err = daily(t, memory(t, nil), source.Concat(source.Objects(in, "in/", allowed), source.Objects(in, "nope/")), dmap.Options{})
	require.ErrorIs(t, err, dmap.ErrNoObjects)
	require.ErrorContains(t, err, `"nope/"`)
}

func TestNothingElseThatIsEmptyIsAnError(t *testing.T) {
	in := memory(t, map[string]string{"empty": "", "header": "a,b\n", "array": "[]", "in/a": "1"})
	none := func(source.Object) bool { return false }
	for name, run := range map[string]func(dmap.Options) (dmap.Stats, error){
		"slice": func(o dmap.Options) (dmap.Stats, error) { return daily(t, memory(t, nil), source.Slice([]int{}), o) },
		"csv": func(o dmap.Options) (dmap.Stats, error) {
			return daily(t, memory(t, nil), source.CSV(in, "empty", source.Strings), o)
		},
		"header": func(o dmap.Options) (dmap.Stats, error) {
			return daily(t, memory(t, nil), source.CSV(in, "header", source.Strings), o)
		},
		"lines": func(o dmap.Options) (dmap.Stats, error) {
			return daily(t, memory(t, nil), source.JSONLines[int](in, "empty"), o)
		},
		"array": func(o dmap.Options) (dmap.Stats, error) {
			return daily(t, memory(t, nil), source.JSONArray[int](in, "array"), o)
		},
		"filter": func(o dmap.Options) (dmap.Stats, error) {
			return daily(t, memory(t, nil), source.Filter(source.Objects(in, "in/"), none), o)
		},
		"match": func(o dmap.Options) (dmap.Stats, error) {
			return daily(t, memory(t, nil), source.Objects(in, "in/", source.ObjectsOptions{Match: none}), o)
		},
	} {
		var log strings.Builder
		_, err := run(dmap.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err, name)
		require.Equal(t, 1, strings.Count(log.String(), "run had no items"), name)
	}
}

func TestAMissingFolderIsNamed(t *testing.T) {
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	defer bucket.Close()
	_, err = try(t.Context(), source.Objects(bucket, "nope/"))
	require.ErrorIs(t, err, dmap.ErrNoObjects)
	require.ErrorContains(t, err, fmt.Sprintf("%q", dir))
	require.ErrorContains(t, err, `"nope/"`)
	require.NoError(t, os.RemoveAll(dir))
	_, err = try(t.Context(), source.Objects(bucket, ""))
	require.ErrorContains(t, err, fmt.Sprintf("%q", dir))
}

// csvRows are CSV rows that compress badly, so that a truncated stream still holds many.
func csvRows(n int) string {
	var b strings.Builder
	b.WriteString("id,text\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%x\n", i, (i+1)*7919*7919*7919)
	}
	return b.String()
}

// Both as the only object of a source and as one of many.
func TestAnObjectThatBreaksOffIsNotHiddenAndItsRestIsUnread(t *testing.T) {
	const n = 4000
	whole := csvRows(n)
	packed := []byte(gzipped(t, whole))
	array := "[" + strings.Repeat("{\"N\": 1},\n", 1500)
	for name, test := range map[string]struct {
		key  string
		data []byte
		open func(b *blob.Bucket, key string) dmap.Source[string]
		of   func(o source.Object) dmap.Source[string]
	}{
		"gzip":          {"k.csv.gz", packed[:len(packed)/2], csvText, csvTextOf},
		"gzip trailer":  {"k.csv.gz", packed[:len(packed)-4], csvText, csvTextOf},
		"zstd":          {"k.csv.zst", []byte(zstandard(t, whole))[:len(zstandard(t, whole))/2], csvText, csvTextOf},
		"damaged":       {"k.csv.gz", damaged([]byte(gzipped(t, csvRows(20_000)))), csvText, csvTextOf},
		"array ends":    {"k.json", []byte(array), arrayText, arrayTextOf},
		"array breaks":  {"k.json", []byte(array + "1 2]"), arrayText, arrayTextOf},
		"open quote":    {"k.csv", []byte(whole + "\"open\n1,2\n"), csvText, csvTextOf},
		"not an array":  {"k.json", []byte("{}"), arrayText, arrayTextOf},
		"text after it": {"k.json", []byte("[1] x"), arrayText, arrayTextOf},
	} {
		t.Run(name, func(t *testing.T) {
			in := memory(t, map[string]string{"in/" + test.key: string(test.data), "in/z.csv": "id,text\n1,2\n", "in/z.json": "[1]"})
			keys := []string{"in/" + test.key, "in/z.csv"}
			if strings.HasSuffix(test.key, ".json") {
				keys[1] = "in/z.json"
			}
			for kind, src := range map[string]dmap.Source[string]{
				"one": source.Concat(test.open(in, keys[0]), test.open(in, keys[1])), "flatten": source.Flatten(source.Keys(in, keys), test.of),
			} {
				out := memory(t, nil)
				stats, err := daily(t, out, src, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 50}})
				require.ErrorIs(t, err, dmap.ErrTolerance, kind)
				require.ErrorContains(t, err, "in/"+test.key, kind)
				require.EqualValues(t, 1, stats.BrokenObjects, kind)
				require.Zero(t, stats.Failed, kind)
				require.Positive(t, stats.Succeeded, kind)
				require.Equal(t, stats.Read, stats.Succeeded, kind)
				m, err := results.Load(t.Context(), out, "runs", "2026-01-01")
				require.NoError(t, err)
				require.Equal(t, results.Failed, m.Status)
				require.EqualValues(t, 1, m.Stats.BrokenObjects)
				require.Len(t, m.Broken, 1)
				require.Equal(t, "in/"+test.key, m.Broken[0].Key)
				require.Len(t, m.Unread.Splits, 1)
				rest := m.Unread.Splits[0]
				require.Equal(t, m.Broken[0].Offset, rest.From.Offset, kind)
				require.Equal(t, rest.From.Offset > 0, strings.HasPrefix(rest.Before, "sha256:"), kind)

				stats, err = daily(t, memory(t, nil), src, dmap.Options{Tolerance: dmap.Tolerance{BrokenObjects: 1}})
				require.NoError(t, err, kind)
				require.EqualValues(t, 1, stats.BrokenObjects, kind)
			}
		})
	}
}

func damaged(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 0x55
	data[len(data)/2+1] ^= 0x55
	return data
}

func first(_ context.Context, row []string) (string, error) { return row[0], nil }

func text(_ context.Context, v any) (string, error) { return fmt.Sprint(v), nil }

func csvText(b *blob.Bucket, key string) dmap.Source[string] {
	return source.Transform(source.CSV(b, key, source.Strings), first)
}

func csvTextOf(o source.Object) dmap.Source[string] {
	return source.Transform(source.CSVOf(o, source.Strings), first)
}

func arrayText(b *blob.Bucket, key string) dmap.Source[string] {
	return source.Transform(source.JSONArray[any](b, key), text)
}

func arrayTextOf(o source.Object) dmap.Source[string] {
	return source.Transform(source.JSONArrayOf[any](o), text)
}

// The rest of an object that broke off is read from the object as it is now, if that has the same
// content before the break.
func TestTheRestOfAMendedObjectIsRead(t *testing.T) {
	const n = 20_000
	whole := csvRows(n)
	packed := []byte(gzipped(t, whole))
	bucket := memory(t, map[string]string{"k.csv.gz": string(packed[:len(packed)/2])})
	src := source.CSV(bucket, "k.csv.gz", source.Strings)
	var broken *dmap.BrokenObjectError
	items, err := try(t.Context(), src)
	require.ErrorAs(t, err, &broken)
	var split dmap.Split
	for s, err := range plan(src).Splits(t.Context()) {
		require.NoError(t, err)
		split = s
	}
	split.From, split.Before = dmap.Cursor{Offset: broken.Offset}, broken.Hash
	readRest := func() (ids []string, err error) {
		for item, err := range plan(source.CSV(bucket, "k.csv.gz", source.Strings)).Read(t.Context(), split) {
			if err != nil {
				return ids, err
			}
			ids = append(ids, item.Value[0])
		}
		return ids, nil
	}
	require.NoError(t, bucket.WriteAll(t.Context(), "k.csv.gz", packed, nil))
	rest, err := readRest()
	require.NoError(t, err)
	require.Len(t, rest, n-len(items))
	require.Equal(t, fmt.Sprint(len(items)), rest[0])

	other := strings.Replace(whole, "\n5,", "\n6,", 1)
	for name, data := range map[string]string{"other": gzipped(t, other), "shorter": gzipped(t, whole[:100])} {
		require.NoError(t, bucket.WriteAll(t.Context(), "k.csv.gz", []byte(data), nil))
		rest, err = readRest()
		require.ErrorIs(t, err, source.ErrChanged, name)
		require.Equal(t, "changed", dmap.Class(err))
		require.ErrorContains(t, err, "a new RunID", name)
		require.Empty(t, rest, name)
	}
	require.NoError(t, bucket.WriteAll(t.Context(), "k.csv.gz", packed, nil))
	split.Before = ""
	_, err = readRest()
	require.ErrorIs(t, err, source.ErrChanged, "without the hash nobody knows")
}

// A store that does not deliver the content before the break says nothing about that content.
func TestAStoreThatDoesNotAnswerIsNoChangeOfABrokenObject(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": "1\n2\n3\n"}))
	src := source.JSONLines[int](bucket.Bucket, "k")
	split := splitsOf(t, src)[0]
	split.From, split.Version, split.Before = dmap.Cursor{Offset: 2}, "another", "sha256:"+strings.Repeat("0", 64)
	readRest := func() (err error) {
		for _, err = range plan(src).Read(t.Context(), split) {
		}
		return err
	}
	require.ErrorIs(t, readRest(), source.ErrChanged)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "k", Err: errBusy{}})
	err := readRest()
	require.ErrorAs(t, err, &errBusy{})
	require.NotErrorIs(t, err, source.ErrChanged)
}

// An object of many that changes after a part of it was read does not keep the others from being
// processed. One that was settled as a whole, or not read at all, may change. One of which no item
// was settled breaks off if the run had announced it, and is read as it is now if not.
func TestAChangedObjectOfManyBreaksOffInAResume(t *testing.T) {
	in, out := memory(t, map[string]string{"a": "1\n2\n", "b": "3\n4\n5\n6\n", "c": "7\n8\n"}), memory(t, nil)
	lines := func(o source.Object) dmap.Source[int] { return source.JSONLinesOf[int](o) }
	started := make(chan *dmap.Run, 1)
	run, err := dmap.Start(t.Context(), source.Flatten(source.Objects(in, ""), lines), func(_ context.Context, n int) (int, error) {
		if n == 4 {
			(<-started).Suspend()
		}
		return n, nil
	}, dmap.Options{RunID: "2026-01-01", MaxConcurrency: 1}, sink.Bucket[int](out, "runs"))
	require.NoError(t, err)
	started <- run
	before, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrSuspended)
	settled := map[string]int{}
	m, err := results.Load(t.Context(), out, "runs", "2026-01-01")
	require.NoError(t, err)
	for s, err := range results.Successes[int](t.Context(), out, m) {
		require.NoError(t, err)
		settled[s.Key]++
	}
	require.Equal(t, 2, settled["b"], "one call at a time takes the items of an object in their order")
	for _, key := range []string{"a", "b", "c", "d"} {
		require.NoError(t, in.WriteAll(t.Context(), key, []byte("10\n20\n30\n"), nil))
	}
	stats, err := dmap.Map(t.Context(), source.Flatten(source.Objects(in, ""), lines), func(_ context.Context, n int) (int, error) {
		return n, nil
	}, dmap.Options{RunID: "2026-01-01"}, sink.Bucket[int](out, "runs"))
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.NotErrorIs(t, err, dmap.ErrSpecChanged)
	require.ErrorContains(t, err, `object "b" breaks off at offset 4: it changed`)
	require.ErrorContains(t, err, "a new RunID")
	m, err = results.Load(t.Context(), out, "runs", "2026-01-01")
	require.NoError(t, err)
	broken := map[string]int64{}
	for _, b := range m.Broken {
		broken[b.Key] = b.Offset
	}
	require.Len(t, broken, int(stats.BrokenObjects))
	require.Len(t, m.Unread.Splits, len(broken))
	succeeded := before.Succeeded + 3 // those of d
	for _, key := range []string{"a", "b", "c"} {
		offset, breaks := broken[key]
		if breaks {
			require.Less(t, settled[key], map[string]int{"a": 2, "b": 4, "c": 2}[key], key)
			require.EqualValues(t, 2*settled[key], offset, key)
		} else if settled[key] == 0 {
			succeeded += 3
		}
	}
	require.Equal(t, succeeded, stats.Succeeded)
}

// Results below the prefix of the source, of this run and of earlier ones, are no items.
func TestResultsOfRunsAreLeftOutOfTheListing(t *testing.T) {
	for name, test := range map[string]struct{ prefix, results string }{
		"beside":          {"", "results"},
		"in the root":     {"", ""},
		"below":           {"data/", "data/x/results"},
		"prefix of names": {"data", "data-results"},
	} {
		for _, twice := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, opened twice %v", name, twice), func(t *testing.T) {
				dir := t.TempDir()
				open := func() *blob.Bucket {
					bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
					require.NoError(t, err)
					t.Cleanup(func() { _ = bucket.Close() })
					return bucket
				}
				in := open()
				out := in
				if twice {
					out = open()
				}
				own := []string{"data/a", "data/x/b", "data/x/results.csv", "data/x/results/mine.csv", "data/x/results/run-0/notes.txt",
					"data/run.json", "run-0/FAILED_A-1.jsonl", "data-results/run.json", "results/z"}
				for _, key := range own {
					require.NoError(t, in.WriteAll(t.Context(), key, []byte("1"), nil))
				}
				want := map[string]bool{}
				for _, key := range own {
					want[key] = strings.HasPrefix(key, test.prefix)
				}
				for _, id := range []string{"run-1", "a-run", "z-run"} {
					var log strings.Builder
					var mu sync.Mutex
					got := map[string]bool{}
					opts := dmap.Options{RunID: id, Logger: slog.New(slog.NewTextHandler(&log, nil))}
					_, err := dmap.Map(t.Context(), source.Objects(in, test.prefix), func(_ context.Context, o source.Object) (string, error) {
						mu.Lock()
						defer mu.Unlock()
						got[o.Key] = true
						return o.Key, nil
					}, opts, sink.Bucket[string](out, test.results))
					require.NoError(t, err)
					for key, expected := range want {
						require.Equal(t, expected, got[key], "%s in %s", key, id)
						delete(got, key)
					}
					require.Empty(t, got, id)
					require.Contains(t, log.String(), "leaves out the results of a run", id)
				}
			})
		}
	}
}

// Without a prefix the folders of runs lie among those of users.
func TestTheObjectsOfARedriveAreNotListed(t *testing.T) {
	bucket := memory(t, map[string]string{"in/a": "1", "in/b": "2"})
	for range 2 {
		_, err := dmap.Map(t.Context(), source.Objects(bucket, "in/"), func(context.Context, source.Object) (string, error) {
			return "", errors.New("bad")
		}, dmap.Options{RunID: "first", Redrive: dmap.Redrive{Max: 1}}, sink.Bucket[string](bucket, ""))
		require.ErrorIs(t, err, dmap.ErrTolerance)
	}
	there, err := bucket.Exists(t.Context(), "first/redrive-001.json")
	require.NoError(t, err)
	require.True(t, there)
	stats, err := dmap.Map(t.Context(), source.Objects(bucket, ""), keyOf, dmap.Options{RunID: "second"}, sink.Bucket[string](bucket, ""))
	require.NoError(t, err)
	require.EqualValues(t, 2, stats.Read)
}

func TestResultsThatAPrefixNamesAreListed(t *testing.T) {
	bucket := memory(t, map[string]string{"in/a": "1", "in/b": "2"})
	_, err := dmap.Map(t.Context(), source.Objects(bucket, "in/"), keyOf, dmap.Options{RunID: "first"}, sink.Bucket[string](bucket, "runs"))
	require.NoError(t, err)
	parts := source.Objects(bucket, "runs/first/", source.ObjectsOptions{Glob: "SUCCEEDED_*.jsonl"})
	stats, err := dmap.Map(t.Context(), parts, keyOf, dmap.Options{RunID: "second"}, sink.Bucket[string](bucket, "runs"))
	require.NoError(t, err)
	require.Positive(t, stats.Succeeded)
}

func TestABucketThatDoesNotAnswerAboutResultsEndsTheListing(t *testing.T) {
	in := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"in/a": "1"}))
	in.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "runs/2026-01-01/run.json", Err: fmt.Errorf("denied"), Sticky: true})
	_, err := daily(t, memory(t, nil), source.Objects(in.Bucket, ""), dmap.Options{})
	require.ErrorContains(t, err, "denied")
	require.ErrorContains(t, err, "run.json")
	in.Heal()
	in.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "runs/2026-01-01/run.json", Code: gcerrors.NotFound, Err: forbidden{}, Sticky: true})
	_, err = daily(t, memory(t, nil), source.Objects(in.Bucket, ""), dmap.Options{})
	require.ErrorContains(t, err, "403", "an answer of gcsblob that does not say whether there is one")
}
