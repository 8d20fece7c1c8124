package scrub

import (
	"regexp"
	"strings"
)

// Secrets is s with Mark in place of all that has the form of a secret.
func Secrets(s string) string {
	if strings.Contains(s, "://") || strings.Contains(s, `:\/\/`) {
		s = urls.ReplaceAllStringFunc(s, cleanURL)
	}
	if strings.Contains(s, "=") {
		s = signatures.ReplaceAllString(s, "${1}"+Mark)
		s = replaceNamed(s, pairs)
	}
	if strings.Contains(s, "%") {
		s = replaceNamed(s, escapedPairs)
	}
	if strings.Contains(s, ":") {
		if hasField(s) {
			s = replaceNamed(s, fields)
		}
		if containsFold(s, "authorization", "cookie", "x-") {
			s = headers.ReplaceAllString(s, "${1}"+Mark)
		}
	}
	if strings.Contains(s, "@") {
		s = dataSources.ReplaceAllString(s, Mark+"@$1")
	}
	if containsFold(s, "bearer", "basic", "sharedkey", "aws4-") {
		s = schemes.ReplaceAllString(s, "${1} "+Mark)
	}
	if strings.Contains(s, "eyJ") {
		s = jwts.ReplaceAllString(s, Mark)
	}
	if strings.Contains(s, "PRIVATE KEY") {
		s = privateKeys.ReplaceAllString(s, Mark)
	}
	return s
}

// hasField reports whether s has a colon between quotes, as fields does.
func hasField(s string) bool {
	for rest := s; ; {
		before, after, found := strings.Cut(rest, ":")
		if !found {
			return false
		}
		after = strings.TrimLeft(after, space)
		if strings.HasSuffix(strings.TrimRight(before, space), `"`) && (strings.HasPrefix(after, `"`) || strings.HasPrefix(after, `\"`)) {
			return true
		}
		rest = after
	}
}

// space is what \s matches.
const space = " \t\n\f\r"

// containsFold reports whether s contains one of the words, which are in lower case, also in upper
// case. The expressions that look for them take ten times as long, and most texts have none.
func containsFold(s string, words ...string) bool {
	for i := range len(s) {
		for _, word := range words {
			if s[i]|0x20 == word[0] && len(s)-i >= len(word) && strings.EqualFold(s[i:i+len(word)], word) {
				return true
			}
		}
	}
	return false
}

var (
	// urls matches a URL up to a space, a quote or an angle bracket; JSON may escape its slashes.
	urls = regexp.MustCompile("[A-Za-z][A-Za-z0-9+.-]*:(?://|\\\\/\\\\/)[^\\s\"'`<>]*")
	// signatures matches a shared access signature, which is a list of pairs.
	signatures = regexp.MustCompile("(?i)(sharedaccesssignature\\s?=\\s?)[^\\s\"'`<>;]+")
	// The rest has groups: what stays, the name in it, and the value.
	//
	// pairs matches name=value, escapedPairs the same in a URL that is a value of another.
	pairs        = regexp.MustCompile("(([A-Za-z0-9_.-]+)\\s?=\\s?)(\"[^\"]*\"|'[^']*'|[^\\s\"'`<>&;]+)")
	escapedPairs = regexp.MustCompile("(?i)((?:%[0-9a-f]{2})?([A-Za-z0-9_.-]+)%3d)((?:[^\\s\"'`<>&;,%]|%[013-9a-f][0-9a-f]|%2[0-57-9a-f])+)")
	// fields matches the "name":"value" of JSON, also of JSON in a string.
	fields = regexp.MustCompile(`(([A-Za-z0-9_.-]+)\\?"\s*:\s*\\?")((?:[^"\\]|\\[^"])+)`)
	// headers matches the lines of a request, as dumps have them.
	headers = regexp.MustCompile(`(?i)((?:proxy-)?authorization|cookie|set-cookie|x-api-key|x-amz-security-token|x-goog-api-key|x-vault-token)` +
		`(\s?:\s?\[?)[^\r\n]*`)
	// dataSources matches the user:password@ of database/sql drivers, which have no scheme.
	dataSources  = regexp.MustCompile("[^\\s:/@\"'`]+:[^\\s@\"'`]+@((?:tcp|unix|cloudsql)\\()")
	schemes      = regexp.MustCompile(`(?i)\b(bearer|basic|sharedkey|aws4-hmac-sha256)\s+(?:[A-Za-z0-9+/=_.~:-]{16,}|credential\S*)`)
	jwts         = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)
	escapedQuery = regexp.MustCompile(`(?i)%3f.*(?:%3d|=)`)
	privateKeys  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

// cleanURL drops the user information of a URL, and the values of its query and fragment.
func cleanURL(u string) string {
	scheme, rest, _ := strings.Cut(u, ":")
	slashes := rest[:2]
	if strings.HasPrefix(rest, `\`) {
		slashes = rest[:4]
	}
	rest = rest[len(slashes):]
	tail := ""
	if i := strings.IndexAny(rest, "?#;"); i >= 0 {
		rest, tail = rest[:i], rest[i:i+1]+Mark
	}
	if at := escapedQuery.FindStringIndex(rest); at != nil { // a URL that was escaped as a whole
		rest, tail = rest[:at[0]], rest[at[0]:at[0]+3]+Mark
	}
	host := rest
	if i := strings.IndexAny(rest, `/\`); i >= 0 {
		host = rest[:i]
	}
	// a password may hold a slash: then the "@" stands after it
	if i := strings.LastIndexByte(rest, '@'); i >= 0 && (i < len(host) || strings.Contains(host, ":")) {
		rest = Mark + rest[i:]
	}
	return scheme + ":" + slashes + rest + tail
}

// replaceNamed puts Mark in place of the values whose names say that they are secrets.
func replaceNamed(s string, pairs *regexp.Regexp) string {
	var b strings.Builder
	for {
		m := pairs.FindStringSubmatchIndex(s)
		if m == nil {
			break
		}
		b.WriteString(s[:m[3]])
		if !secretName(s[m[4]:m[5]]) { // its value may be a list of pairs
			s = s[m[3]:]
			continue
		}
		b.WriteString(Mark)
		s = s[m[7]:]
	}
	b.WriteString(s)
	return b.String()
}

// secretName reports whether a value of this name is a secret: its last word says so.
func secretName(name string) bool {
	name = plain(name)
	for _, whole := range [...]string{"sig", "pwd", "pass", "sas", "jwt"} {
		if name == whole {
			return true
		}
	}
	for _, last := range [...]string{
		"password", "passwd", "passphrase", "secret", "token", "signature", "credential", "credentials", "authorization",
		"apikey", "accesskey", "accesskeyid", "accountkey", "secretkey", "privatekey", "sharedkey", "clientsecret", "sessionkey",
	} {
		if strings.HasSuffix(name, last) {
			return true
		}
	}
	return false
}

// plain is name in lower case without what separates its words.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '-' || r == '.':
			return -1
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// Mark stands in place of a secret.
const Mark = "***"
