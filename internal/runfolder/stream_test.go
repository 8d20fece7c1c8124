package runfolder_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/testsize"
)

// elements is the text of a list of at least size bytes of the same element.
func elements(element string, size int) string {
	n := size / (len(element) + 1)
	return "[" + strings.Repeat(element+",", n) + element + "]"
}

// record is the object of a commit record with this body.
func record(t *testing.T, body string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	header, err := json.Marshal(runfolder.CommitHeader{Format: 1, Writer: "W", Size: len(body), SHA256: hex.EncodeToString(sum[:])})
	require.NoError(t, err)
	return fmt.Appendf(nil, "%s\n%s\n", header, body)
}

// allocated is what f allocates, in bytes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const last = 16*16*16*16*16 - 1 // a record of a million commits

// Files of empty elements are refused at the first one that nobody has written, and take little
// more memory than they have bytes.
func TestListsOfNothingTakeNoMemory(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("too slow with the race detector: make test runs it without")
	}
	const size = 8 << 20
	commit := func(format string) func(string) error {
		return func(list string) error {
			_, err := runfolder.DecodeCommit(t.Context(), record(t, fmt.Sprintf(`{"from":0,"number":%d,`+format+`}`, last, list)), last)
			return err
		}
	}
	manifest := func(format string) func(string) error {
		return func(list string) error {
			_, err := runfolder.DecodeAnyManifest(t.Context(), fmt.Appendf(nil, `{"ResultFiles":{"FAILED":[]},`+format+`}`, list), "out/", false)
			return err
		}
	}
	again := func(format string) func(string) error {
		return func(list string) error {
			_, err := runfolder.DecodeRedriveFile(t.Context(), fmt.Appendf(nil, `{"format":1,"runId":"r","redrive":1,`+format+`}`, list), "out/r/", "r", 1)
			return err
		}
	}
	for name, decode := range map[string]func(string) error{
		"settled": commit(`"settled":%s`), "prefixes": commit(`"prefixes":%s`), "attempted": commit(`"attempted":%s`),
		"steps": commit(`"steps":%s`), "announced": commit(`"steps":[{"number":1,"announced":%s}]`),
		"waiting": commit(`"redrive":{"number":1,"waiting":%s}`), "states": commit(`"states":{"0":%s}`),
		"unknown field of a commit": commit(`"news":%s`), "number": commit(`"number":%s`), "stop": commit(`"stop":{"reason":%s}`),
		"parts": manifest(`"ResultFiles":{"FAILED":%s}`), "unread": manifest(`"Unread":{"splits":%s}`),
		"unread settled": manifest(`"Unread":{"settled":%s}`), "broken": manifest(`"Broken":%s`), "lost": manifest(`"Lost":%s`),
		"unknown field of a manifest": manifest(`"News":%s`), "stats": manifest(`"Stats":%s`),
		"dropped": again(`"dropped":%s`), "taken": again(`"taken":%s`), "not taken": again(`"notTaken":%s`),
		"waiting parts": again(`"waiting":%s`), "rests": again(`"rests":%s`), "classes": again(`"choice":{"classes":%s}`),
	} {
		t.Run(name, func(t *testing.T) {
			for _, element := range []string{"{}", "null", `""`, "[]", "0"} {
				text := elements(element, size)
				var err error
				used := allocated(func() { err = decode(text) })
				require.Less(t, used, uint64(40*size), "%s: %v", element, err) // of it the copies that this test makes are six times size
			}
		})
	}
}

func TestTheStatesOfACommitCount(t *testing.T) {
	body := fmt.Sprintf(`{"from":15,"number":15,"states":{"0":%s}}`, `[{},{}]`)
	_, err := runfolder.DecodeCommit(t.Context(), record(t, body), 15)
	require.NoError(t, err, "of 16 commits")
	body = fmt.Sprintf(`{"from":16,"number":16,"states":{"0":%s}}`, `[{},{}]`)
	_, err = runfolder.DecodeCommit(t.Context(), record(t, body), 16)
	require.ErrorContains(t, err, "more than 1 states")
}

func TestDecodingHonorsTheContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	part := `{"Key":"out/a.jsonl","Size":1,"Records":1}`
	_, err := runfolder.DecodeAnyManifest(ctx, fmt.Appendf(nil, `{"ResultFiles":{"FAILED":%s}}`, elements(part, 1<<20)), "out/", false)
	require.ErrorIs(t, err, cause)
}

func TestOnlyOneValueIsAFile(t *testing.T) {
	for _, text := range []string{`{"ResultFiles":{"FAILED":[]}} {}`, `{"ResultFiles":{"FAILED":[]}`, `[]`, `1`, ``, `{"ResultFiles":[]}`, `{"ResultFiles":{"FAILED":{}}}`} {
		_, err := runfolder.DecodeAnyManifest(t.Context(), []byte(text), "out/", false)
		require.Error(t, err, text)
	}
}
