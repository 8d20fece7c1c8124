package runfolder

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Limits of a decision.
const (
	MaxDecision = 64 << 10 // bytes of the object
	MaxNote     = 4 << 10  // bytes of the note
	MaxBy       = 256      // bytes of the name of the person
)

// What a decision says.
const (
	Approve = "approve"
	Reject  = "reject"
)

// DecisionFile is decisions/<name>.json: what a person decided about a held item. Any program may
// write it, once: DecisionName is its name.
type DecisionFile struct {
	ID       string `json:"id"`
	IDBase64 string `json:"idBase64,omitempty"`
	Decision string `json:"decision"`
	By       string `json:"by,omitempty"`
	Note     string `json:"note,omitempty"`
	Writer   string `json:"writer,omitempty"`
}

// DecisionName is the name of the decision about the n-th hold, from 1, of an item: the first 32
// hexadecimal digits of the SHA-256 of its ID, and n.
func DecisionName(id string, n int) string {
	sum := sha256.Sum256([]byte(id))
	return DecisionsFolder + hex.EncodeToString(sum[:16]) + "-" + strconv.Itoa(n) + ".json"
}

var decision = regexp.MustCompile(`^decisions/([0-9a-f]{32})-([1-9][0-9]{0,8})\.json$`)

// DecisionKey identifies a decision by its name in 20 bytes, so that many fit in memory.
type DecisionKey struct {
	hash [16]byte
	hold uint32
}

// Compare orders keys.
func (k DecisionKey) Compare(o DecisionKey) int {
	return cmp.Or(bytes.Compare(k.hash[:], o.hash[:]), cmp.Compare(k.hold, o.hold))
}

// Name is the name that k is the key of.
func (k DecisionKey) Name() string {
	return DecisionsFolder + hex.EncodeToString(k.hash[:]) + "-" + strconv.FormatUint(uint64(k.hold), 10) + ".json"
}

// KeyOfDecision is the key of DecisionName.
func KeyOfDecision(id string, n int) (k DecisionKey) {
	sum := sha256.Sum256([]byte(id))
	copy(k.hash[:], sum[:])
	k.hold = uint32(n)
	return k
}

// ParseDecision returns the key of a name, relative to the run's folder. ok is false for a name
// that DecisionName never gives.
func ParseDecision(name string) (k DecisionKey, ok bool) {
	m := decision.FindStringSubmatch(name)
	if m == nil {
		return k, false
	}
	hash, err := hex.DecodeString(m[1])
	hold, numberErr := strconv.ParseUint(m[2], 10, 32)
	if err != nil || numberErr != nil {
		return k, false
	}
	copy(k.hash[:], hash)
	k.hold = uint32(hold)
	return k, true
}

// EncodeDecision is the content of a decision. It fills the Base64 field.
func EncodeDecision(d DecisionFile) ([]byte, error) {
	encode(twin{&d.ID, &d.IDBase64})
	content, err := json.MarshalIndent(d, "", "  ")
	return append(content, '\n'), err
}

// DecodeDecision reads and checks a decision about the item id. Its texts come from outside: they
// are clipped, and without secrets and control characters.
func DecodeDecision(content []byte, id string) (*DecisionFile, error) {
	d := new(DecisionFile)
	if err := json.Unmarshal(content, d); err != nil {
		return nil, fmt.Errorf("it is no JSON object of a decision: %s", guard.Text(err, MaxBy))
	}
	if err := decode(twin{&d.ID, &d.IDBase64}); err != nil {
		return nil, err
	}
	switch {
	case d.ID != id:
		return nil, fmt.Errorf("its id is %q, its name is that of %q", scrub.Text(d.ID, MaxBy), scrub.Text(id, MaxBy))
	case d.Decision != Approve && d.Decision != Reject:
		return nil, fmt.Errorf("its decision is %q: want %q or %q", scrub.Text(d.Decision, MaxBy), Approve, Reject)
	}
	d.By, d.Note = scrub.Text(d.By, MaxBy), scrub.Text(d.Note, MaxNote)
	return d, nil
}

// LoadDecision reads the decision under key about the item id. Without a decision, why says how
// the object is wrong. An absent object is an error that matches transient.Absent.
func LoadDecision(ctx context.Context, bucket *blob.Bucket, key, id string) (d *DecisionFile, why, err error) {
	content, err := publish.Read(ctx, bucket, key, MaxDecision)
	if err != nil {
		if large, ok := guard.As[*publish.TooLargeError](err); ok {
			return nil, tooLargeDecision(large), nil
		}
		return nil, nil, err
	}
	d, why = DecodeDecision(content, id)
	return d, why, nil
}

func tooLargeDecision(e *publish.TooLargeError) error {
	if e.Size < 0 {
		return fmt.Errorf("it has more than %d bytes, which is the limit", e.Max)
	}
	return fmt.Errorf("it has %d bytes, at most %d are allowed", e.Size, e.Max)
}
