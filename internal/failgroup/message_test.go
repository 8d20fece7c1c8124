package failgroup

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/go-dmap/dmap/internal/usage"
)

func TestMessageReplacesWhatDiffersFromItemToItem(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"loan 17: amount 1,000.50 is above 900", "loan <n>: amount <n> is above <n>"},
		{"item-0001 failed, took 1.5MB", "item-<n> failed, took <n>MB"},
		{"unexpected status 503", "unexpected status 503"},
		{"HTTP 404: no such loan", "HTTP 404: no such loan"},
		{"googleapi: Error 403: quota", "googleapi: Error 403: quota"},
		{"429 Too Many Requests", "429 Too Many Requests"},
		{"429 loans left", "<n> loans left"},
		{"error code: 1062", "error code: 1062"},
		{"exit status 2", "exit status 2"},
		{"status 123456789", "status <n>"},
		{`open "in/a.csv": permission denied`, `open "<value>": permission denied`},
		{`open "a \" b": denied`, `open "<value>": denied`},
		{"can't parse 'abc' or `def`", "can't parse '<value>' or `<value>`"},
		{`it is "never closed 7`, `it is "never closed <n>`},
		{`empty ""`, `empty ""`},
		{"dial tcp 10.0.0.1:54321: connection refused", "dial tcp <addr>: connection refused"},
		{"dial tcp [fe80::1]:443: refused", "dial tcp <addr>: refused"},
		{"dial fe80::1 refused", "dial <addr> refused"},
		{"dial 2001:db8::1 refused", "dial <addr> refused"},
		{"lookup db-17.internal: no such host", "lookup db-<n>.internal: no such host"},
		{"mail to ann.b+c@example.com bounced", "mail to <addr> bounced"},
		{"id 6ba7b810-9dad-11d1-80b4-00c04fd430c8 is gone", "id <uuid> is gone"},
		{"request Q4ZK7V5N0A1B2C3D failed", "request <id> failed"},
		{"host id 8Cf2q/3QzK+aB9xY1Zr0/w== refused", "host id <id> refused"},
		{"trace deadbeefcafe0001 ended", "trace <n> ended"},
		{"commit deadbeef ended", "commit <n> ended"},
		{"nil at 0xc000123456", "nil at <hex>"},
		{"2026-11-26T17:05:57.123456Z: late", "<time>: late"},
		{"2026-11-26 17:05:57 +0000 late", "<time> +<n> late"},
		{"2026-11-26T17:05:57+01:00 late", "<time> late"},
		{"on 2026-11-26 at 17:05:57 late", "on <time> at <time> late"},
		{"took 1m30.5s, limit 800ms, then 5µs", "took <duration>, limit <duration>, then <duration>"},
		{"x509: certificate has expired", "x<n>: certificate has expired"},
		{"one\ttwo\r\n\n three \x00", "one two three"},
		{"bad \xff\xfe bytes", "bad \ufffd bytes"},
		{"grüße 12 日本", "grüße <n> 日本"},
		{"", ""},
		{"   ", ""},
	} {
		require.Equal(t, c.want, Message(c.text, "", ""), "%q", c.text)
	}
}

func TestMessageReplacesTheKeyOfTheItem(t *testing.T) {
	for _, c := range []struct{ text, key, id, want string }{
		{"parse loans/a.json: bad", "loans/a.json", "loans/a.json", "parse <id>: bad"},
		{"parse /mnt/loans/a.json: bad", "loans/a.json", "loans/a.json", "parse /mnt/<id>: bad"},
		{"parse a.json: bad", "loans/a.json", "loans/a.json", "parse <key>: bad"},
		{"row x.csv@120: bad", "x.csv", "x.csv@120", "row <id>: bad"},
		{"object x.csv: bad", "x.csv", "x.csv@120", "object <key>: bad"},
		{"this costs one item", "item", "item@120", "this costs one item"},
		{"the name abc is bad, abcd is not", "abc", "abc", "the name <id> is bad, abcd is not"},
		{"is it a key", "it", "it", "is it a key"},                                         // too short to be sure
		{"loading failed", "in/loading", "in/loading", "loading failed"},                   // a word, not a name
		{"loans/\xff bad", "loans/\xff", "loans/\xff", "<id> bad"},                         // any bytes
		{"a/\x1b[31m bad", "a/\x1b[31m", "a/\x1b[31m", "<id> bad"},                         // control characters
		{"x <script>1</script> y", "<script>1</script>", "<script>1</script>", "x <id> y"}, // markup
	} {
		require.Equal(t, c.want, Message(c.text, c.key, c.id), "%q", c.text)
	}
}

func TestIDIsStable(t *testing.T) {
	require.Equal(t, "7bcbdbb23063", ID("error", "loan <n> is bad"))
	require.NotEqual(t, ID("error", "x"), ID("timeout", "x"))
	require.NotEqual(t, ID("a", "b"), ID("ab", ""))
	var x Index
	x.Add(Failure{Class: "error", Text: "loan 17 is bad"})
	require.Equal(t, ID("error", "loan <n> is bad"), x.Groups()[0].ID)
}

// Any bytes make a message that can be shown.
func TestMessageOfAnyText(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			`"`, `'`, "`", " ", "\n", "\xff", "é", "17", "1.5", "0x1f", "a1b2", "status ", "404 Not Found", "::1", "[::1]:80", "10.0.0.1",
			"2026-11-26", "12:00:00", "1m", "@", ".", "-", "/", "<n>", "key.1", "error", "\x1b[31m", "\u202e", "deadbeef", "A1b2C3d4E5f6G7h8I9j0K",
		}),
		rapid.StringN(0, 5, 20),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "text"), "")
		key := rapid.SampledFrom([]string{"", "key.1", "dir/key.1", "\xff", "a", text}).Draw(t, "key")
		got := Message(text, key, key)
		if !utf8.ValidString(got) || len(got) > MaxMessage || strings.TrimSpace(got) != got {
			t.Fatalf("%q becomes %q", text, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			t.Fatalf("%q becomes %q, which has a control character", text, got)
		}
	})
}

func TestMessageTakesLittleTimeForAnyText(t *testing.T) {
	for _, piece := range []string{"a/", `"`, `\"`, "'", "' ", "1", "1.", "a1", "1a", "f:", "::", "[", "[f", "a@", "a.", "@a", "0x", "1h", "-", "\xff", "é", "key", "<id>", "A1b2/"} {
		text := strings.Repeat(piece, 1+(1<<20)/len(piece))
		before := usage.Now().CPU
		for range 10 {
			got := Message(text, "key", "key@1")
			require.LessOrEqual(t, len(got), MaxMessage)
		}
		require.Less(t, (usage.Now().CPU-before)/10, 50*time.Millisecond, "%q", piece) // 4 KiB take less than 1 ms
	}
}

func TestMessageIsCutAtWholeCharacters(t *testing.T) {
	for n := range 8 {
		got := Message(strings.Repeat("x", MaxMessage-n)+strings.Repeat("é日", 10), "", "")
		require.True(t, utf8.ValidString(got), n)
		require.LessOrEqual(t, len(got), MaxMessage)
		require.Greater(t, len(got), MaxMessage-5)
	}
}

func TestMessagesOfAKindAreTheSame(t *testing.T) {
	seen := map[string]bool{}
	for i := range 1000 {
		key := fmt.Sprintf("loans/%03d/loan-%d.json", i%7, i)
		seen[Message(fmt.Sprintf("loan %s: rate %d.%d%% at %v, request %016x", key, i, i*7, time.Duration(i)*time.Millisecond, i*1234567+0xabcdef), key, key)] = true
	}
	require.Len(t, seen, 1, "%v", seen)
}

func FuzzMessage(f *testing.F) {
	f.Add("loan 17: \"x\" 10.0.0.1 status 503 \xff", "key", "key@1")
	f.Fuzz(func(t *testing.T, text, key, id string) {
		got := Message(text, key, id)
		if !utf8.ValidString(got) || len(got) > MaxMessage || strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.Cc, r) && r < 0x80 }) {
			t.Fatalf("%q", got)
		}
	})
}
