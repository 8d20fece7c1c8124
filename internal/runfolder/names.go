package runfolder

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-dmap/dmap/internal/scrub"
)

// Names in a run's folder. The name log/ is reserved: see docs/format.md.
const (
	RunFileName   = "run.json"
	CommitsFolder = "commits/"
	// DecisionsFolder is where people write their decisions about held items.
	DecisionsFolder = "decisions/"
	// LanesFolder is where the lanes of a run lie: the journals of attempts at leases.
	LanesFolder = "lanes/"
	ControlName = "control.json" // steers the leases of a shared run
	LockName    = "run.lock"     // in a folder of a host, while a process works on the run
)

// Kind is one of the kinds of records, each of which has parts of its own.
type Kind int

// The kinds.
const (
	Succeeded Kind = iota
	Failed
	Pending
	Held
	Kinds // their number
)

func (k Kind) String() string { return [...]string{"SUCCEEDED", "FAILED", "PENDING", "HELD"}[k] }

// CheckPrefix rejects prefixes that stores change silently (fileblob cleans paths) or cannot hold.
func CheckPrefix(prefix string) error {
	switch {
	case !utf8.ValidString(prefix):
		return fmt.Errorf("prefix %q is not valid UTF-8", prefix)
	case len(prefix) > 700: // of the 1,024 bytes that S3 allows a key
		return fmt.Errorf("prefix of %d bytes: want at most 700", len(prefix))
	case strings.ContainsFunc(prefix, unicode.IsControl) || strings.Contains(prefix, `\`):
		return fmt.Errorf("prefix %q holds a control character or a backslash", prefix)
	case prefix == "":
		return nil
	}
	for _, segment := range strings.Split(strings.TrimSuffix(prefix, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("prefix %q has an empty, . or .. segment", prefix)
		}
	}
	return nil
}

// Folder is the key prefix of a run's objects, with a trailing slash. It checks the run ID, which
// becomes part of keys.
func Folder(prefix, runID string) (string, error) {
	if err := CheckPrefix(prefix); err != nil {
		return "", err
	}
	allowed := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=-"
	if runID == "" || len(runID) > 128 || runID[0] == '.' || strings.Trim(runID, allowed) != "" {
		return "", fmt.Errorf("run ID %q: want 1 to 128 of letters, digits and ._=-, not starting with a dot", runID)
	}
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	return prefix + runID + "/", nil
}

// ManifestName is the name of manifest n: 0 is that of the run's first end, n that of the end of
// redrive n.
func ManifestName(n int) string { return fmt.Sprintf("manifest-%03d.json", n) }

// RedriveName is the name of the record that begins redrive n, from 1.
func RedriveName(n int) string { return fmt.Sprintf("redrive-%03d.json", n) }

// TakenName is the name of a list of items that a redrive took, or that it sorts.
func TakenName(writer string, seq int) string { return fmt.Sprintf("TAKEN_%s-%06d.jsonl", writer, seq) }

// PartName is the name of the part that a writer opens as its number seq. writer is unique to a
// process.
func PartName(k Kind, writer string, seq int) string {
	return fmt.Sprintf("%v_%s-%06d.jsonl", k, writer, seq)
}

// GroupsName is the name of the object of the groups of failures of an ended run. writer is unique
// to a process.
func GroupsName(writer string, seq int) string {
	return fmt.Sprintf("GROUPS_%s-%06d.jsonl", writer, seq)
}

// LastCommit is the largest number of a commit record.
const LastCommit = 999_999_999_999

// CommitName is the name of commit record n in CommitsFolder. The names count down, so that a
// listing begins with the newest.
func CommitName(n int64) string { return fmt.Sprintf("%012d-%d.json", LastCommit-n, n) }

// CommitNumber is the inverse of CommitName. ok is false for other names.
func CommitNumber(name string) (n int64, ok bool) {
	_, rest, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
	n, err := strconv.ParseInt(rest, 10, 64)
	return n, err == nil && n >= 0 && n <= LastCommit && CommitName(n) == name
}

// LastLease and LastAttempt are the largest numbers of a lease and of an attempt at one.
const (
	LastLease   = 9_999_999
	LastAttempt = 999_999
)

// LaneName is the name of a lane in LanesFolder, with a trailing slash. The names count down, so
// that a listing begins with the newest leases.
func LaneName(lease int64, attempt int) string {
	return LeasePrefix(lease) + strconv.Itoa(attempt) + "/"
}

// LeasePrefix begins the names of the lanes of a lease, and of no other.
func LeasePrefix(lease int64) string { return fmt.Sprintf("%07d-%d-", LastLease-lease, lease) }

// LaneOf is the inverse of LaneName. ok is false for other names.
func LaneOf(name string) (lease int64, attempt int, ok bool) {
	_, rest, _ := strings.Cut(strings.TrimSuffix(name, "/"), "-")
	number, k, _ := strings.Cut(rest, "-")
	lease, err := strconv.ParseInt(number, 10, 64)
	if err != nil || lease < 0 || lease > LastLease {
		return 0, 0, false
	}
	attempt, err = strconv.Atoi(k)
	if err != nil || attempt < 1 || attempt > LastAttempt {
		return 0, 0, false
	}
	return lease, attempt, LaneName(lease, attempt) == name
}

// part, taken and leftover are the only names that cleaning up may remove. The last matches what
// fileblob leaves of a write that broke off.
var (
	part     = regexp.MustCompile(`^(SUCCEEDED|FAILED|PENDING|HELD|GROUPS)_[A-Z0-9]+-[0-9]+\.jsonl$`)
	taken    = regexp.MustCompile(`^TAKEN_[A-Z0-9]+-[0-9]+\.jsonl$`)
	leftover = regexp.MustCompile(`^((SUCCEEDED|FAILED|PENDING|HELD|TAKEN|GROUPS)_[A-Z0-9]+-[0-9]+\.jsonl` +
		`|(run|(manifest|redrive)-[0-9]+|commits/[0-9-]+|lanes/[0-9-]+/[0-9-]+|decisions/[0-9a-f-]+)\.json)\.[0-9a-f]+\.tmp$`)
)

// probe is the name of the object of a preflight. Neither a user nor a run has such names.
var probe = regexp.MustCompile(`^\.dmap-preflight-[A-Z2-7]{26}$`)

// ProbePrefix is the prefix of the names of preflights.
const ProbePrefix = ".dmap-preflight-"

// ProbeName is the name of the object that a preflight creates and deletes; unique are 26
// characters of rand.Text.
func ProbeName(unique string) string { return ProbePrefix + unique }

// ProbeFolder is the folder for the objects of preflights of runs without a RunID. No run has this
// folder, as no run ID starts with a dot.
func ProbeFolder(prefix string) string {
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	return prefix + ".preflight/"
}

// IsProbe reports whether the last segment of key is the name of such an object, which no reader
// takes for an object of a user. It may remain where a preflight was killed, or may not delete.
func IsProbe(key string) bool {
	name := key[strings.LastIndexByte(key, '/')+1:]
	return strings.HasPrefix(name, ProbePrefix) && probe.MatchString(name)
}

// numbered matches what ManifestName and RedriveName give.
var numbered = regexp.MustCompile(`^(manifest|redrive)-[0-9]{3,}\.json$`)

// IsResult reports whether name, relative to the run's folder, is one of those that dmap gives.
func IsResult(name string) bool {
	return name == RunFileName || name == LockName || IsPart(name) || IsTaken(name) || IsLeftover(name) ||
		numbered.MatchString(name) || strings.HasPrefix(name, CommitsFolder) ||
		strings.HasPrefix(name, DecisionsFolder) || strings.HasPrefix(name, LanesFolder)
}

// IsPart reports whether name, relative to the run's folder, is the name of a part, or of an object
// of groups.
func IsPart(name string) bool { return part.MatchString(name) }

// IsTaken reports whether name, relative to the run's folder, is the name of a list of taken items.
func IsTaken(name string) bool { return taken.MatchString(name) }

// IsLeftover reports whether name, relative to the run's folder, is a temporary file of a write
// that broke off.
func IsLeftover(name string) bool { return leftover.MatchString(name) }

// Location is raw, a bucket's name or URL, without what could be secret: user information,
// fragment, and all of the query that is not known to be harmless.
func Location(raw string) (string, error) {
	if name, _, ok := strings.Cut(raw, "="); ok && strings.Contains(raw, ";") && !strings.Contains(name, "://") {
		return connection(strings.Split(raw, ";")), nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || !utf8.ValidString(raw) {
		return "", errors.New("not a URL or bucket name") // it is not repeated, as it may hold a password
	}
	query := url.Values{}
	for _, name := range []string{"region", "prefix"} {
		if v := u.Query().Get(name); v != "" {
			query.Set(name, v)
		}
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	u.Path, _, _ = strings.Cut(u.Path, ";") // parameters of the path
	u.RawPath = ""
	location := scrub.Secrets(u.String())
	if len(query) > 0 {
		location += "?" + query.Encode()
	}
	return location, nil
}

// connection is a connection string, such as those of Azure, without what could be secret: only
// values that are known to be harmless remain.
func connection(pairs []string) string {
	var kept []string
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "defaultendpointsprotocol", "accountname", "endpointsuffix":
			kept = append(kept, pair)
		case "blobendpoint":
			if location, err := Location(value); err == nil {
				kept = append(kept, name+"="+location)
			}
		}
	}
	return strings.Join(kept, ";")
}
