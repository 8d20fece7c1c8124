package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

const hostileEnv = "DMAP_HOSTILE" // the case and the folder of the input, for a child process

// Limits of a hostile input beyond the size of one record.
const (
	hostileRSS  = 200 << 20
	hostileTime = 5 * time.Second
)

// hostileCase is an input, and what reads it. The outcome must be an error that holds want, or
// success if want is empty.
type hostileCase struct {
	name   string
	size   int64 // of the input, in the full form
	record int64 // of one record, or of what an option allows: this much memory may be used, too
	make   func(folder string, size int64) error
	run    func(ctx context.Context, b *blob.Bucket) error
	want   string
}

// file writes an object by write.
func file(folder, key string, write func(w io.Writer) error) error {
	path := filepath.Join(folder, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// repeat writes about size bytes of the same text.
func repeat(w io.Writer, text string, size int64) error {
	block := []byte(strings.Repeat(text, max(1, 1<<16/len(text))))
	for ; size > 0; size -= int64(len(block)) {
		if _, err := w.Write(block[:min(int64(len(block)), max(size, int64(len(text))))]); err != nil {
			return err
		}
	}
	return nil
}

// filled makes an input of a prefix, a repeated text and a suffix.
func filled(key, prefix, text, suffix string) func(string, int64) error {
	return func(folder string, size int64) error {
		return file(folder, key, func(w io.Writer) error {
			_, first := io.WriteString(w, prefix)
			second := repeat(w, text, size)
			_, third := io.WriteString(w, suffix)
			return errors.Join(first, second, third)
		})
	}
}

// gzipped makes an input that is compressed, n times.
func gzipped(key string, n int, text string) func(string, int64) error {
	return func(folder string, size int64) error {
		return file(folder, key, func(w io.Writer) error {
			closers := []io.Closer{}
			for range n {
				z := gzip.NewWriter(w)
				w, closers = z, append([]io.Closer{z}, closers...)
			}
			err := repeat(w, text, size)
			for _, c := range closers {
				err = errors.Join(err, c.Close())
			}
			return err
		})
	}
}

// windows makes 16 objects that need a window of 64 MiB each.
func windows(folder string, size int64) error {
	var one bytes.Buffer
	z, err := zstd.NewWriter(&one, zstd.WithWindowSize(64<<20), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithSingleSegment(false))
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, mib/16)
	for n := int64(0); n < size; n += mib / 8 {
		for i := 0; i < len(text); i += 8 {
			binary.LittleEndian.PutUint64(text[i:], random.Uint64())
		}
		fmt.Fprintf(z, "{\"n\":%d,\"text\":\"%x\"}\n", n, text)
	}
	if err := z.Close(); err != nil {
		return err
	}
	for i := range 16 {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, fmt.Sprintf("in%02d.jsonl.zst", i)), one.Bytes(), 0o600))
	}
	return err
}

// forgedCommit makes a run whose only commit is a list of empty objects.
func forgedCommit(folder string, size int64) error {
	body := `{"from":0,"number":0,"settled":[` + strings.Repeat("{},", int(size/3)) + `{}]}`
	sum := sha256.Sum256([]byte(body))
	header := fmt.Sprintf(`{"format":1,"writer":"W","size":%d,"sha256":"%x"}`, len(body), sum)
	return errors.Join(
		filled("out/r/run.json", `{"format":1,"journal":true,"runId":"r","source":"slice of 3","started":"2026-01-01T00:00:00Z"}`, "\n", "")(folder, 1),
		filled("out/r/commits/999999999999-0.json", header+"\n"+body, "\n", "")(folder, 1),
	)
}

// batches makes a manifest of Step Functions with eight parts, each a batch of many items.
func batches(folder string, size int64) error {
	var parts []string
	var err error
	for i := range 8 {
		key := fmt.Sprintf("run/FAILED_%d.json", i)
		prefix, suffix := `{"Name":"x","Status":"FAILED","Input":"{\"Items\":[1`, `]}"}`+"\n"
		err = errors.Join(err, filled(key, prefix, ",1", suffix)(folder, size))
		info, statErr := os.Stat(filepath.Join(folder, key))
		if statErr != nil {
			return errors.Join(err, statErr)
		}
		parts = append(parts, fmt.Sprintf(`{"Key":%q,"Size":%d}`, key, info.Size()))
	}
	return errors.Join(err, filled("run/manifest.json", `{"ResultFiles":{"FAILED":[`+strings.Join(parts, ",")+`]}}`, "\n", "")(folder, 1))
}

type row struct{ N int }

func pass(context.Context, row) (int, error) { return 0, nil }

// mapOver runs a map over src with eight calls at once.
func mapOver[T any](ctx context.Context, src dmap.Source[T], fn func(context.Context, T) (int, error)) error {
	_, err := dmap.Map(ctx, src, fn, dmap.Options{MaxConcurrency: 16})
	return err
}

func lines(key string) func(context.Context, *blob.Bucket) error {
	return func(ctx context.Context, b *blob.Bucket) error {
		return mapOver(ctx, source.JSONLines[row](b, key), pass)
	}
}

func rows(key string) func(context.Context, *blob.Bucket) error {
	return func(ctx context.Context, b *blob.Bucket) error {
		return mapOver(ctx, source.CSV(b, key, source.Strings), nothing[[]string])
	}
}

func nothing[T any](context.Context, T) (int, error) { return 0, nil }

func objects(f func(context.Context, source.Object) (int, error)) func(context.Context, *blob.Bucket) error {
	return func(ctx context.Context, b *blob.Bucket) error { return mapOver(ctx, source.Objects(b, ""), f) }
}

// textError makes a text of 100 MB each time that it is asked.
type textError struct{ size int }

func (e textError) Error() string { return strings.Repeat("x", e.size) }

// hugeText is a text of 100 MB.
var hugeText = sync.OnceValue(func() string { return strings.Repeat("x", 100*mib) })

// cyclicError unwraps to itself.
type cyclicError struct{}

func (cyclicError) Error() string   { return "cyclic" }
func (e cyclicError) Unwrap() error { return e }

// failing runs 16 failing calls at once, into a bucket, with a log.
func failing(fail func() error) func(context.Context, *blob.Bucket) error {
	return func(ctx context.Context, b *blob.Bucket) error {
		l := &left{}
		_, err := dmap.Map(ctx, source.Slice(make([]int, 16)), func(context.Context, int) (int, error) { return 0, fail() },
			dmap.Options{MaxConcurrency: 16, RunID: "r", Logger: l.logger(), Tolerance: dmap.Tolerance{Count: 15}, Retry: dmap.Retry{MaxAttempts: 2, Initial: 1}},
			sink.Bucket[int](b, "out"))
		if n := len(fmt.Sprint(err)); n > 64<<10 || l.log.Len() > 1<<20 {
			return fmt.Errorf("a text of %d bytes, a log of %d", n, l.log.Len())
		}
		return err
	}
}

const mib = 1 << 20

// Memory that is allowed beside that of a record.
const (
	defaultMemory = 160 * mib // of the parts of one large CSV object, without CSVOptions.Memory
	oneText       = 100 * mib // of an error
)

func hostileCases() []hostileCase {
	return []hostileCase{
		{"gzip bomb", 1024 * mib, 0, gzipped("in.jsonl.gz", 1, " "), lines("in.jsonl.gz"), "decompressed bytes for each byte"},
		{"gzip inside gzip", 256 * mib, 0, gzipped("in.jsonl.gz", 3, "[]\n"), lines("in.jsonl.gz"), "compressed with gzip"},
		{"16 zstd windows of 64 MiB", 70 * mib, 0, windows, func(ctx context.Context, b *blob.Bucket) error {
			return mapOver(ctx, source.Flatten(source.Objects(b, "in"), func(o source.Object) dmap.Source[row] { return source.JSONLinesOf[row](o) }), pass)
		}, ""},
		{"deep JSON in a line", 64 * mib, 16 * mib, filled("in.jsonl", "", "[", "\n"), lines("in.jsonl"), "record bytes"},
		{"deep JSON in an array", 15 * mib, 16 * mib, filled("in.json", "[", "[", ""), func(ctx context.Context, b *blob.Bucket) error {
			return mapOver(ctx, source.JSONArray[row](b, "in.json"), pass)
		}, "does not end"},
		{"commas", 64 * mib, 16 * mib, filled("in.csv", "a,b\n", ",", "\n"), rows("in.csv"), "more than"},
		{"a header of commas", 64 * mib, 16 * mib, filled("in.csv", "a", ",", "\n"), rows("in.csv"), "more than"},
		{"open quote", 256 * mib, 16*mib + defaultMemory, filled("in.csv", "a,b\n1,\"", "x", ""), rows("in.csv"), "broke off"},
		{"open quote, 64 MiB", 256 * mib, 16 * mib, filled("in.csv", "a,b\n1,\"", "x", ""), func(ctx context.Context, b *blob.Bucket) error {
			return mapOver(ctx, source.CSV(b, "in.csv", source.Strings, source.CSVOptions{Memory: 64 * mib}), nothing[[]string])
		}, "broke off"},
		{"a line", 1024 * mib, 16 * mib, filled("in.jsonl", "\"", "x", "\"\n"), lines("in.jsonl"), "record bytes"},
		{"manifest of {}", 64 * mib, 0, filled("out/r/manifest-000.json", `{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{}`, ",{}", "]}}"),
			func(ctx context.Context, b *blob.Bucket) error {
				_, err := results.Load(ctx, b, "out", "r")
				return err
			}, "part 0"},
		{"unread splits of {}", 64 * mib, 0, filled("run/manifest.json", `{"ResultFiles":{},"Unread":{"splits":[{}`, ",{}", "]}}"),
			func(ctx context.Context, b *blob.Bucket) error {
				return mapOver(ctx, source.Failures[row](b, "run/manifest.json"), pass)
			}, "unread split 0"},
		{"commit of {}", 64 * mib, 0, forgedCommit, func(ctx context.Context, b *blob.Bucket) error {
			_, err := dmap.Map(ctx, source.Slice([]int{1, 2, 3}), nothing[int], dmap.Options{RunID: "r"}, sink.Bucket[int](b, "out"))
			return err
		}, "settled interval 0"},
		{"8 batches of a million", 2_000_000, 2 * mib, batches, func(ctx context.Context, b *blob.Bucket) error {
			return mapOver(ctx, source.Failures[int](b, "run/manifest.json"), nothing[int])
		}, ""},
		{"DecodeJSON of an object", 1024 * mib, 0, filled("in.json", "[0", ",0", "]"), objects(func(ctx context.Context, o source.Object) (int, error) {
			var v []int
			return 0, o.DecodeJSON(ctx, &v)
		}), "MaxObject"},
		{"ReadAll of an object", 1024 * mib, 0, filled("in.bin", "", "x", ""), objects(func(ctx context.Context, o source.Object) (int, error) {
			_, err := o.ReadAll(ctx)
			return 0, err
		}), "MaxObject"},
		{"16 errors of 100 MB", 0, oneText, nil, failing(func() error { return textError{100 * mib} }), "xxx"},
		{"16 panics of 100 MB", 0, oneText, nil, failing(func() error { panic(hugeText()) }), "panic: xxx"},
		{"16 cyclic errors", 0, 0, nil, failing(func() error { return cyclicError{} }), "cyclic"},
	}
}

// runHostile is a child process: it runs the case with this number on the input in folder.
func runHostile(number int, folder string) error {
	b, err := fileblob.OpenBucket(folder, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return err
	}
	c := hostileCases()[number]
	err = c.run(context.Background(), b)
	text := ""
	if err != nil {
		text = err.Error()
	}
	if !strings.Contains(text, c.want) || c.want == "" && err != nil {
		return fmt.Errorf("want %q, got %.300q", c.want, text)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil { // not Linux: the memory is not measured
		status = []byte("VmHWM: 0 kB")
	}
	var peak int64
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &peak); err != nil {
		return err
	}
	fmt.Printf("%d %.200q\n", peak, text)
	return nil
}

// measured is what a case took.
type measured struct {
	rss  int64
	time time.Duration
	out  string
}

func measure(t *testing.T, number int, folder string) measured {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", hostileEnv, number, folder), "GOMEMLIMIT=off")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	require.NoError(t, err, "%s: %.2000s", hostileCases()[number].name, out)
	m := measured{time: took}
	peak, text, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	m.rss, err = strconv.ParseInt(peak, 10, 64)
	require.NoError(t, err)
	m.rss, m.out = m.rss<<10, text
	return m
}

// Every hostile input ends in little memory and time: `make hostile` runs the full form, each input
// in a process of its own, and prints a table.
func TestHostileInputs(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("the race detector multiplies memory: make test runs it without")
	}
	full := os.Getenv("DMAP_HOSTILE_FULL") != ""
	var table strings.Builder
	for i, c := range hostileCases() {
		if !full && i%repetitions(6, 1, 1) != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			size, record := c.size, c.record
			switch {
			case full:
			case c.want == "MaxObject":
				size = 66 * mib
			case c.want == "": // read to its end
				size /= 10
			default:
				size = min(size, 20*mib)
			}
			folder := t.TempDir()
			if c.make != nil {
				require.NoError(t, c.make(folder, size))
			}
			m := measure(t, i, folder)
			fmt.Fprintf(&table, "%-28s %6d MiB %6d MiB %8.2f s  %.90s\n", c.name, size>>20, m.rss>>20, m.time.Seconds(), m.out)
			require.LessOrEqual(t, m.rss, hostileRSS+record)
			if full && c.want != "" { // else it is read to its end, at the usual speed: eight million items, for example
				require.LessOrEqual(t, m.time, hostileTime)
			}
		})
	}
	t.Logf("\n%-28s %10s %10s %10s  %s\n%s", "input", "size", "peak RSS", "time", "outcome", table.String())
}
