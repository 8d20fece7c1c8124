package scrub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/scrub"
	"github.com/go-dmap/dmap/internal/usage"
)

// Each text holds the word s3cr3t where a secret stands, and the word kept where none does.
var texts = []string{
	`Get "https://acct.blob.core.windows.net/kept/b?sv=2024&sr=c&sig=s3cr3t%2Fx%3D": dial tcp: kept`,
	`Get "https://acct.blob.core.windows.net/c?sig=s3cr3t": kept`,
	`Put https://bucket.s3.amazonaws.com/kept?X-Amz-Credential=AKIA%2F&X-Amz-Signature=s3cr3t kept`,
	`Put https://user:s3cr3t@kept.example/x: kept`,
	`Put https://user:pa/ss:s3cr3t@kept.example/x: kept`,
	`postgres://u:s3cr3t@db.kept:5432/x?sslmode=disable`,
	`DefaultEndpointsProtocol=https;AccountName=kept;AccountKey=s3cr3t/+abc==;EndpointSuffix=kept`,
	`BlobEndpoint=https://kept.blob.core.windows.net/;SharedAccessSignature=sv=2024-01-01&ss=b&sig=s3cr3t`,
	`SharedAccessSignature=sv=1&sig=s3cr3t;EndpointSuffix=kept`,
	`Endpoint=sb://kept/;SharedAccessKeyName=kept;SharedAccessKey=s3cr3t=`,
	`sig=s3cr3t&se=2026 kept`,
	`host=kept user=kept password=s3cr3t dbname=kept`,
	`password = "s3cr3t with spaces" kept`,
	`u:s3cr3t@tcp(kept:3306)/db`,
	`{"access_token":"s3cr3t","kept":"kept"}`,
	`{\"client_secret\": \"s3cr3t\", \"kept\": 1}`,
	"{\"password\" :\n\t\"s3cr3t\"} kept",
	"GET / HTTP/1.1\r\nAuthorization: Bearer s3cr3t\r\nX-Kept: kept",
	"Authorization: SharedKey acct:s3cr3ts3cr3ts3cr3t\nkept",
	"X-Amz-Security-Token: s3cr3t\nkept",
	"map[Authorization:[Basic s3cr3t]",
	"kept: Bearer s3cr3ts3cr3ts3cr3t",
	"token eyJs3cr3ts3cr3t.eyJs3cr3t.s3cr3t kept",
	"-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\ns3cr3t\n-----END RSA PRIVATE KEY-----\nkept",
	"AWS_SECRET_ACCESS_KEY=s3cr3t kept",
	"aws_session_token=s3cr3t",
	`azblob://kept?sas=s3cr3t`,
	`https:\/\/kept.example\/x?sig=s3cr3t`,
	`see https://kept.example/cb#access_token=s3cr3t`,
	`https://kept.example/path;sig=s3cr3t`,
	`https://kept.example/path;jsessionid=s3cr3t`,
	`https://kept.example/a%3Fsig%3Ds3cr3t`,
	`x?sv%3D2024%26sig%3Ds3cr3t`,
	`redirect https%3A%2F%2Fx%3Ftoken%3Ds3cr3t kept`,
	`kept=1,token=s3cr3t, kept=2`,
	`password=ab,s3cr3t kept`,
	`url=https://u:s3cr3t@kept/`,
	`[https://kept/a?token=s3cr3t] [https://kept/b?token=s3cr3t]`,
	"X-Amz-Signature: s3cr3t\nkept", "Api-Key: s3cr3t\nkept", "Ocp-Apim-Subscription-Key: s3cr3t\nkept", "x-functions-key: s3cr3t",
	"x-amz-server-side-encryption-customer-key: s3cr3t\nkept", "x-ms-encryption-key:s3cr3t", `StringToSign: GET\n\nx-amz-security-token:s3cr3t\nhost`,
	`Authorization=Bearer s3cr3ts3cr3ts3cr3t`, `SharedKeyLite acct:s3cr3ts3cr3ts3cr3t kept`, `ApiKey s3cr3ts3cr3ts3cr3t kept`,
	`AccountKey: s3cr3t== kept`, `password: s3cr3t kept`, `token: 's3cr3t' kept`, `{"password": 's3cr3t', "kept": 1}`, `{'password': 's3cr3t', 'kept': 1}`,
	`{"secret":["s3cr3t"],"kept":1}`, `map[password:s3cr3t kept:1]`, `map[X-Amz-Security-Token:[s3cr3t]]`,
	`&{AccessKeyID:AKIAs3cr3t SecretAccessKey:s3cr3t SessionToken:s3cr3t Source:kept}`, `aws.Credentials{SecretAccessKey:"s3cr3t", Source:"kept"}`,
	`<Error><AWSAccessKeyId>s3cr3t</AWSAccessKeyId><SignatureProvided>s3cr3t</SignatureProvided><Code>kept</Code></Error>`,
	`<Password>s3cr3t</Password>`, `PASSWORD := "s3cr3t" kept`, `password => s3cr3t`, `ghp_s3cr3ts3cr3ts3cr3ts3cr3t kept`, `kept xoxb-1234-s3cr3t`,
	"-----BEGIN PGP PRIVATE KEY BLOCK-----\ns3cr3t\n-----END PGP PRIVATE KEY BLOCK-----\nkept",
}

func TestSecretsAreCutAndTheRestStays(t *testing.T) {
	for _, text := range texts {
		got := scrub.Text(text, 4096)
		require.NotContains(t, got, "s3cr3t", text)
		require.Equal(t, strings.Contains(text, "kept"), strings.Contains(got, "kept"), "%s\n%s", text, got)
		require.Equal(t, got, scrub.Text(got, 4096), "scrubbed once more")
	}
}

func TestHarmlessTextsStayAsTheyAre(t *testing.T) {
	for _, text := range []string{
		"", "json: invalid token: unexpected end", `object "a=b.csv" line 3 (byte 17): "x": invalid syntax`,
		"max_tokens=4096 exceeded", "open /tmp/x: permission denied", "password: must be longer", "dial tcp 10.0.0.1:443: connection refused",
		"read: at byte 17 of 40 tokens", "gs://bucket/key", "s3://bucket/a/b.csv: no such key", "status=500 retries=3", "é 日本 👩‍👩‍👧 kept",
		"two\nlines\tand a tab", "unexpected token: end of file", `unexpected token: "}"`, "key: a/b-7.csv", "map[key:a/b.csv size:17]", "secret: not found",
		"orders:2026@17", "<html><title>403 Forbidden</title></html>", "signature: does not match", "task-0123456789abcdef01 failed", "line 3: column 4", "basic training", "key=a/b.csv size=17",
	} {
		require.Equal(t, text, scrub.Text(text, 4096))
	}
}

func TestControlCharactersBecomeEscapes(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[2Jb": `a\x1b[2Jb`, "a\rb": `a\rb`, "\x00": `\x00`, "\x7f": `\x7f`, "\u009b31m": `\u009b31m`, "x\u202ey": `x\u202ey`,
		"\u2028": `\u2028`, "bad \xff": "bad \uFFFD", "\u200b": `\u200b`, "\ufeff": `\ufeff`, "a\nb": "a\nb",
	} {
		require.Equal(t, want, scrub.Text(text, 100))
	}
	require.Equal(t, "a/b.csv@17", scrub.Word("a/b.csv@17"))
	require.Equal(t, `"a\n\x1b[2J"`, scrub.Word("a\n\x1b[2J"))
}

func TestTextsAreBoundedInLengthAndTime(t *testing.T) {
	before := usage.Now().CPU // of this process: others keep the machine busy
	for _, text := range []string{
		strings.Repeat("x", 100<<20), strings.Repeat("https://u:s3cr3t@h/", 1<<20), strings.Repeat("token=s3cr3t&", 1<<20),
		strings.Repeat("é", 1<<20), strings.Repeat("\x1b", 1<<20), strings.Repeat("\xff", 1<<20), strings.Repeat(`"token":"`, 1<<20),
	} {
		got := scrub.Text(text, 4096)
		require.LessOrEqual(t, len(got), 4096)
		require.True(t, utf8.ValidString(got))
		require.NotContains(t, got, "s3cr3t")
	}
	require.Less(t, usage.Now().CPU-before, 5*time.Second)
	for at := range 40 { // wherever the limit falls
		text := strings.Repeat("x", 4096+8<<10-at) + " https://user:s3cr3ts3cr3t@host/ kept"
		require.NotContains(t, scrub.Text(text, 4096), "s3cr3t")
	}
}

func FuzzSecrets(f *testing.F) {
	for _, text := range texts {
		f.Add(text, "s3cr3t")
	}
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := scrub.Text(text, 1000)
		if len(got) > 1000 || !utf8.ValidString(got) {
			t.Fatalf("%d bytes, %q", len(got), got)
		}
		if strings.ContainsAny(got, "\x1b\x00\r\x7f") {
			t.Fatalf("control characters remain: %q", got)
		}
		if len(secret) < 8 || strings.Trim(secret, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || strings.Contains(text, secret) {
			return
		}
		if strings.Contains(scrub.Text(text, 1<<20), secret) { // as a control character and digits may make it
			return
		}
		// whatever precedes a URL, its password and its query are cut
		for _, form := range []string{"%s https://u:%s@h/p", "%s https://h/p?sig=%s", "%s AccountKey=%s;x"} {
			if out := scrub.Text(fmt.Sprintf(form, text, secret), 1<<20); strings.Contains(out, secret) {
				t.Fatalf("%q remains in %q", secret, out)
			}
		}
	})
}
