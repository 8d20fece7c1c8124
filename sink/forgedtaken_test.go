package sink_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// forgeTaken replaces what matches old in the lines of all TAKEN parts, keeps the length of each
// line, and writes the new hashes into the redrive file and the commits.
func forgeTaken(t *testing.T, bucket *blob.Bucket, old, forged string) {
	t.Helper()
	sums := map[string]string{}
	pattern := regexp.MustCompile(old)
	for _, key := range keys(t, bucket) {
		if !strings.HasPrefix(key, "out/r/TAKEN_") {
			continue
		}
		var text strings.Builder
		for line := range strings.Lines(read(t, bucket, key)) {
			changed := pattern.ReplaceAllString(strings.TrimSuffix(line, "\n"), forged)
			require.NotEqual(t, strings.TrimSuffix(line, "\n"), changed)
			fmt.Fprintf(&text, "%-*s\n", len(line)-1, changed)
			require.LessOrEqual(t, len(changed), len(line)-1)
		}
		sums[hashOf(read(t, bucket, key))] = hashOf(text.String())
		require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(text.String()), nil))
	}
	require.NotEmpty(t, sums)
	replaced := 0
	for _, key := range keys(t, bucket) {
		text := read(t, bucket, key)
		changed := text
		for before, after := range sums {
			changed = strings.ReplaceAll(changed, before, after)
		}
		if changed == text {
			continue
		}
		if strings.HasPrefix(key, "out/r/"+runfolder.CommitsFolder) {
			changed = withHash(t, changed)
		}
		replaced++
		require.NoError(t, bucket.WriteAll(t.Context(), key, []byte(changed), nil))
	}
	require.Positive(t, replaced)
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// withHash gives the header of a commit the hash of its record.
func withHash(t *testing.T, text string) string {
	t.Helper()
	first, body, _ := strings.Cut(text, "\n")
	var header runfolder.CommitHeader
	require.NoError(t, json.Unmarshal([]byte(first), &header))
	header.SHA256 = hashOf(strings.TrimSuffix(body, "\n"))
	line, err := json.Marshal(header)
	require.NoError(t, err)
	return string(line) + "\n" + body
}

// forged is a source of the numbers below 40, and a change of lines of taken items after which they
// name other objects.
type forged struct {
	src      func() dmap.Source[numbered]
	old, now string // a pattern in the lines, and the text in its place
}

func forgedSources(t *testing.T, bucket *blob.Bucket) map[string]forged {
	t.Helper()
	sources := redriveSources(t, bucket, 40)
	keys := make([]string, 40)
	for i := range keys {
		keys[i] = fmt.Sprintf("many/%04d/%d.jsonl", i/10, i)
	}
	numbers := func(src dmap.Source[source.Object]) func() dmap.Source[numbered] {
		return func() dmap.Source[numbered] { return source.Transform(src, asNumber) }
	}
	objects := func(prefix, glob string) dmap.Source[source.Object] {
		return source.Objects(bucket, prefix, source.ObjectsOptions{Glob: glob})
	}
	filtered := source.Filter(objects("many/", ""), func(source.Object) bool { return true })
	out := map[string]forged{
		"filter":     {numbers(filtered), "many/", "priv/"},
		"glob":       {numbers(objects("many/", "0*/*.jsonl")), "many/0", "many/p"},
		"parent":     {numbers(objects("many/", "")), `many/\d{4}/(\d+)\.jsonl`, "many/../p/$1"},
		"keys":       {numbers(source.Keys(bucket, keys)), "many/", "priv/"},
		"no prefix":  {numbers(objects("", "many/**")), "many/", "priv/"},
		"of the run": {numbers(objects("", "**/*/*.jsonl")), "many/00", "out/r/0"},
		"flat of the run": {func() dmap.Source[numbered] {
			return source.Flatten(objects("", "**/*/*.jsonl"), asLines)
		}, "many/00", "out/r/0"},
		"flat glob": {func() dmap.Source[numbered] {
			return source.Flatten(objects("many/", "0*/*.jsonl"), asLines)
		}, "many/0", "many/p"},
	}
	for _, name := range []string{"flatten", "objects", "objects and a list"} {
		out[name] = forged{sources[name], "many/", "priv/"}
	}
	for _, name := range []string{"csv", "json lines", "gzip", "json array"} {
		out[name] = forged{sources[name], `\bin\.`, "hi."}
	}
	return out
}

// putOutside copies the objects of a source to where forged lines look for them.
func (f *forged) putOutside(t *testing.T, bucket *blob.Bucket) {
	t.Helper()
	for _, key := range keys(t, bucket) {
		outside := path.Clean(regexp.MustCompile(f.old).ReplaceAllString(key, f.now))
		if outside != key && !strings.HasPrefix(key, "out/") {
			require.NoError(t, bucket.Copy(t.Context(), outside, key, nil))
		}
	}
}

// The list of a redrive may come from the run folder of another source. An item of it that names
// an object outside the listing is an error, fails or is skipped: no such object is read.
func TestTakenItemsOutsideTheListingAreRefused(t *testing.T) {
	for name := range forgedSources(t, memory(t)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaily(t, 0)
				f := forgedSources(t, d.bucket)[name]
				d.src = f.src
				d.opts.Tolerance, d.opts.MaxConcurrency = dmap.Tolerance{Percentage: 100}, 1
				stats, err := d.run(t.Context())
				require.NoError(t, err)
				require.Positive(t, stats.Failed)
				d.fails = nil
				d.opts.CommitEvery, d.opts.Redrive.Tolerated = 10*time.Millisecond, true
				before, err := suspendSoon(t, d, 15*time.Millisecond)
				require.ErrorIs(t, err, dmap.ErrSuspended)
				f.putOutside(t, d.bucket)
				forgeTaken(t, d.bucket, f.old, f.now)
				stats, err = d.run(t.Context())
				require.Empty(t, d.infos, "%v", err)
				require.Equal(t, before.Succeeded, stats.Succeeded)
			})
		})
	}
}

// The list of a release may come from another folder, too.
func TestReleasedItemsOutsideTheListingAreRefused(t *testing.T) {
	for _, name := range []string{"objects", "flatten", "csv"} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			f := forgedSources(t, bucket)[name]
			var called []string
			run := func(ctx context.Context, decided func() error) (dmap.Stats, error) {
				return dmap.Map(ctx, f.src(), func(ctx context.Context, v numbered) (int, error) {
					if v.N%4 != 1 {
						return v.N, nil
					}
					info, _ := dmap.InfoFrom(ctx)
					if info.Decision == nil {
						return 0, dmap.Hold("large")
					}
					called = append(called, info.ID())
					return v.N, decided()
				}, dmap.Options{RunID: "r", MaxConcurrency: 1}, sink.Bucket[int](bucket, "out"))
			}
			stats, err := run(t.Context(), nil)
			require.ErrorIs(t, err, dmap.ErrHeld)
			require.EqualValues(t, 10, stats.Held)
			for _, h := range collect(t, results.Held(t.Context(), bucket, load(t, bucket))) {
				require.NoError(t, results.Approve(t.Context(), bucket, "out", "r", results.Verdict{By: "alice"}, h.ID))
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			stats, err = run(ctx, func() error {
				cancel(dmap.ErrSuspended)
				<-ctx.Done()
				return ctx.Err()
			})
			require.ErrorIs(t, err, dmap.ErrSuspended)
			f.putOutside(t, bucket)
			forgeTaken(t, bucket, f.old, f.now)
			called = nil
			again, err := run(t.Context(), func() error { return nil })
			require.Empty(t, called, "%v", err)
			require.Equal(t, stats.Succeeded, again.Succeeded)
		})
	}
}
