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
	if containsFold(s, "bearer", "basic", "sharedkey", "aws4-", "negotiate", "apikey") {
		s = schemes.ReplaceAllString(s, "${1} "+Mark)
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
		if containsFold(s, "authorization", "cookie", "x-", "-key") {
			s = headers.ReplaceAllString(s, "${1}"+Mark)
		}
		if namesSecret(s) {
			s = replaceNamed(s, quotedFields)
			s = replaceNamed(s, printed)
			s = replaceNamed(s, spelled)
		}
	}
	if strings.Contains(s, "</") {
		s = replaceNamed(s, elements)
	}
	if strings.Contains(s, "@") {
		s = dataSources.ReplaceAllString(s, Mark+"@$1")
	}
	if mayBeIssued(s) {
		s = issued.ReplaceAllString(s, Mark)
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

// namesSecret reports whether the name of a secret stands before a colon in s.
func namesSecret(s string) bool {
	for end := 0; ; end++ {
		i := strings.IndexByte(s[end:], ':')
		if i < 0 {
			return false
		}
		end += i
		name := strings.TrimRight(s[max(0, end-maxName):end], " \"'")
		start := len(name)
		for start > 0 && nameByte(name[start-1]) {
			start--
		}
		if secretName(name[start:]) {
			return true
		}
	}
}

// maxName is the length up to which a name may be that of a secret, in bytes.
const maxName = 64

func nameByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-'
}

// mayBeIssued reports whether s has one of the prefixes of issued.
func mayBeIssued(s string) bool {
	for _, prefix := range [...]string{"ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xox", "AIza", "ya29.", "sk-", "sk_live_"} {
		if strings.Contains(s, prefix) {
			return true
		}
	}
	return false
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
	pairs        = regexp.MustCompile("(([A-Za-z0-9_.-]+)\\s?:?=>?\\s?)(\"[^\"]*\"|'[^']*'|[^\\s\"'`<>&;]+)")
	escapedPairs = regexp.MustCompile("(?i)((?:%[0-9a-f]{2})?([A-Za-z0-9_.-]+)%3d)((?:[^\\s\"'`<>&;,%]|%[013-9a-f][0-9a-f]|%2[0-57-9a-f])+)")
	// fields matches the "name":"value" of JSON, also of JSON in a string.
	fields = regexp.MustCompile(`(([A-Za-z0-9_.-]+)\\?"\s*:\s*(?:\[\s*)?\\?")((?:[^"\\]|\\[^"])+)`)
	// quotedFields matches the 'name': 'value' of Python and YAML, and the Name:"value" of %#v.
	quotedFields = regexp.MustCompile(`(([A-Za-z0-9_.-]+)["']?\s?:\s?\[?)('[^']{4,}'|"[^"]{4,}")`)
	// printed matches the Name:value of %+v, and of a map that fmt prints.
	printed = regexp.MustCompile("(([A-Za-z0-9_.-]+):\\[?)([^\\s\"'`<>\\[\\]{}&;,:/]{4}[^\\s\"'`<>\\]}&;,]*)")
	// spelled matches the name: value of YAML if the value is no word: it has a digit.
	spelled = regexp.MustCompile("(([A-Za-z0-9_.-]+): )([^\\s\"'`<>\\[\\]{}&;,0-9]*[0-9][^\\s\"'`<>\\]}&;,]{2,})")
	// elements matches <name>value</name>.
	elements = regexp.MustCompile(`(<([A-Za-z0-9_.-]+)>)([^<>]+)`)
	// headers matches the lines of a request, as dumps have them.
	headers = regexp.MustCompile(`(?i)((?:proxy-)?authorization|cookie|set-cookie|[a-z-]*api-key|ocp-apim-subscription-key|` +
		`x-[a-z0-9-]*(?:token|signature|secret|credential|-key))` +
		`(\s?:\s?\[?)[^\r\n]*`)
	// dataSources matches the user:password@ of database/sql drivers, which have no scheme.
	dataSources  = regexp.MustCompile("[^\\s:/@\"'`]+:[^\\s@\"'`]+@((?:tcp|unix|cloudsql)\\()")
	schemes      = regexp.MustCompile(`(?i)\b(bearer|basic|sharedkey|sharedkeylite|negotiate|apikey|aws4-hmac-sha256)\s+(?:[A-Za-z0-9+/=_.~:-]{16,}|credential\S*)`)
	jwts         = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)
	escapedQuery = regexp.MustCompile(`(?i)%3f.*(?:%3d|=)`)
	privateKeys  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$)`)
	// issued matches tokens that their services make recognizable.
	issued = regexp.MustCompile(`\b(?:gh[opsru]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{8,}|` +
		`AIza[\w-]{30,}|ya29\.[\w-]{8,}|sk-[\w-]{16,}|sk_live_\w{8,})`)
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
		"apikey", "accesskey", "signatureprovided", "encryptionkey", "secretstring", "accesskeyid",
		"accountkey", "secretkey", "privatekey", "sharedkey", "clientsecret", "sessionkey",
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
