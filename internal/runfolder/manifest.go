package runfolder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits of what decoding accepts.
const (
	MaxManifest = 256 << 20 // bytes of a manifest
	MaxParts    = 1_000_000 // parts of a run
	MaxPart     = 16 << 30  // bytes of a part
)

// How a run has ended.
const (
	StatusSucceeded = "SUCCEEDED"
	StatusFailed    = "FAILED"
	StatusCanceled  = "CANCELED"
)

// ErrElsewhere says that a manifest names a part outside its folder.
var ErrElsewhere = errors.New("not in folder")

// Manifest is manifest-<n>.json: the record of the end of a run or of a redrive. Its first three
// fields are those of Step Functions' manifest, and its other names are spelled as there.
type Manifest struct {
	DestinationBucket string       `json:"DestinationBucket"`
	MapRunArn         string       `json:"MapRunArn"`
	ResultFiles       *ResultFiles `json:"ResultFiles"`

	Format       int       `json:"Format"`
	Library      string    `json:"Library"`
	Writer       string    `json:"Writer"`
	RunID        string    `json:"RunID"`
	Redrive      int       `json:"Redrive"`
	Status       string    `json:"Status"`
	Reason       string    `json:"Reason,omitempty"`
	Error        string    `json:"Error,omitempty"`
	Source       string    `json:"Source,omitempty"`
	SourceBase64 string    `json:"SourceBase64,omitempty"`
	Records      string    `json:"Records,omitempty"`
	Started      time.Time `json:"Started"`
	Stopped      time.Time `json:"Stopped"`
	Commits      int64     `json:"Commits,omitempty"`
	Stats        Stats     `json:"Stats"`
	Unread       Unread    `json:"Unread,omitzero"`
	Broken       []Broken  `json:"Broken,omitempty"`
	Lost         []Lost    `json:"Lost,omitempty"`
	Groups       *Part     `json:"Groups,omitempty"`

	Tolerance *Tolerance `json:"Tolerance,omitempty"`
	Edits     *Edits     `json:"Edits,omitempty"`
}

// ResultFiles lists the parts that count, each kind in the order in which the parts were opened.
type ResultFiles struct {
	Failed    []Part `json:"FAILED"`
	Pending   []Part `json:"PENDING"`
	Succeeded []Part `json:"SUCCEEDED"`
	Held      []Part `json:"HELD,omitempty"`
}

// Of lists the parts of one kind.
func (f *ResultFiles) Of(k Kind) []Part {
	switch k {
	case Succeeded:
		return f.Succeeded
	case Failed:
		return f.Failed
	case Held:
		return f.Held
	default:
		return f.Pending
	}
}

// Part is an object of records, one JSON value per line.
type Part struct {
	Key     string `json:"Key"`
	Size    int64  `json:"Size"`
	Records int64  `json:"Records"`
	SHA256  string `json:"SHA256"`
}

// Stats are the counts of the whole run, in all its processes.
type Stats struct {
	Read      int64     `json:"read"`
	Succeeded int64     `json:"succeeded"`
	Failed    int64     `json:"failed"`
	Skipped   int64     `json:"skipped"`
	Pending   int64     `json:"pending"`
	Held      int64     `json:"held,omitempty"`
	Calls     int64     `json:"calls"`
	Retries   int64     `json:"retries"`
	Stuck     int       `json:"stuck"`
	Limit     int       `json:"limit"`
	Truncated bool      `json:"truncated"`
	Broken    int64     `json:"brokenObjects,omitempty"`
	Started   time.Time `json:"started"`
	Elapsed   int64     `json:"elapsed"`
	Bytes     int64     `json:"bytes,omitempty"`
	Units     float64   `json:"units,omitempty"`
}

// Unread names the part of the source that the run did not read. The zero Unread says that all was
// read.
type Unread struct {
	Splits  []Split    `json:"splits,omitempty"`
	After   *Split     `json:"after,omitempty"`
	All     bool       `json:"all,omitempty"`
	Settled []Interval `json:"settled,omitempty"`
}

// Broken names an object that broke off: nothing of it was read from Offset on.
type Broken struct {
	Key       string `json:"Key"`
	KeyBase64 string `json:"KeyBase64,omitempty"`
	Offset    int64  `json:"Offset"`
	Error     string `json:"Error"`
}

// Lost names records that could not be written.
type Lost struct {
	Part    string `json:"Part,omitempty"`
	Status  string `json:"Status"`
	Records int64  `json:"Records"`
	First   string `json:"First"`
	Last    string `json:"Last"`
	Error   string `json:"Error"`
}

func (m *Manifest) fields() []twin {
	all := []twin{{&m.Source, &m.SourceBase64}}
	for i := range m.Broken {
		all = append(all, twin{&m.Broken[i].Key, &m.Broken[i].KeyBase64})
	}
	for i := range m.Unread.Splits {
		all = append(all, m.Unread.Splits[i].fields()...)
	}
	if m.Unread.After != nil {
		all = append(all, m.Unread.After.fields()...)
	}
	for i := range m.Unread.Settled {
		all = append(all, m.Unread.Settled[i].fields()...)
	}
	return all
}

// EncodeManifest is the content of a manifest. It sets the Format and fills the Base64 fields of m.
func EncodeManifest(m Manifest) ([]byte, error) {
	m.Format = Format
	encode(m.fields()...)
	content, err := json.MarshalIndent(m, "", "  ")
	return append(content, '\n'), err
}

// DecodeManifest reads and checks the manifest of the run runID, whose parts must lie in folder.
func DecodeManifest(ctx context.Context, content []byte, folder, runID string) (*Manifest, error) {
	m := new(Manifest)
	if err := decodeObject(ctx, content, m, m.lists()); err != nil {
		return nil, err
	}
	if err := checkFormat(m.Format); err != nil {
		return nil, err
	}
	if m.RunID != runID {
		return nil, fmt.Errorf("manifest belongs to run %q, not to %q", m.RunID, runID)
	}
	return m, m.check(folder, true)
}

// DecodeAnyManifest reads and checks a manifest of any run, of dmap or of Step Functions: the
// latter has Format 0, and its parts have no Records and no SHA256. The parts of both must lie in
// folder, unless anywhere is set.
func DecodeAnyManifest(ctx context.Context, content []byte, folder string, anywhere bool) (*Manifest, error) {
	m := new(Manifest)
	if err := decodeObject(ctx, content, m, m.lists()); err != nil {
		return nil, err
	}
	if m.ResultFiles == nil {
		return nil, errors.New("manifest has no ResultFiles: neither dmap nor Step Functions has written it")
	}
	if m.Format != 0 {
		if err := checkFormat(m.Format); err != nil {
			return nil, err
		}
	}
	if anywhere {
		folder = ""
	}
	return m, m.check(folder, false)
}

// lists decode the lists of a manifest.
func (m *Manifest) lists() map[string]func(*stream) error {
	return map[string]func(*stream) error{
		"ResultFiles": func(s *stream) error {
			m.ResultFiles = new(ResultFiles)
			return s.object(&struct{}{}, map[string]func(*stream) error{
				"FAILED":    listOf(&m.ResultFiles.Failed, MaxParts, "part", decodedPart),
				"PENDING":   listOf(&m.ResultFiles.Pending, MaxParts, "part", decodedPart),
				"SUCCEEDED": listOf(&m.ResultFiles.Succeeded, MaxParts, "part", decodedPart),
				"HELD":      listOf(&m.ResultFiles.Held, MaxParts, "part", decodedPart),
			})
		},
		"Unread": func(s *stream) error {
			return s.object(&m.Unread, map[string]func(*stream) error{
				"splits":  listOf(&m.Unread.Splits, maxElements, "unread split", decodedSplit),
				"settled": listOf(&m.Unread.Settled, maxElements, "settled interval", decodedInterval),
			})
		},
		"Broken": listOf(&m.Broken, maxListed, "broken object", func(_ []Broken, b *Broken) error { return decode(twin{&b.Key, &b.KeyBase64}) }),
		"Edits":  editList(&m.Edits),
		"Lost":   listOf(&m.Lost, MaxParts, "lost part", decodedLost),
	}
}

func decodedLost(_ []Lost, l *Lost) error {
	if l.Status == "" {
		return errors.New("no status")
	}
	return checkCounts(l.Records)
}

// maxListed is more objects that broke off than a manifest lists.
const maxListed = 10_000

// check is what DecodeManifest and DecodeAnyManifest share. An empty folder allows parts anywhere.
func (m *Manifest) check(folder string, strict bool) error {
	if m.ResultFiles == nil {
		return errors.New("manifest has no ResultFiles")
	}
	if err := decode(m.fields()...); err != nil {
		return err
	}
	if err := m.ResultFiles.check(folder, strict); err != nil {
		return err
	}
	if g := m.Groups; g != nil && (g.Size < 0 || g.Records < 0 || folder != "" && !Within(folder, g.Key)) {
		return fmt.Errorf("groups %q: size %d, records %d: %w %q", g.Key, g.Size, g.Records, ErrElsewhere, folder)
	}
	for _, b := range m.Broken {
		if b.Offset < 0 {
			return fmt.Errorf("broken object %q: offset %d", b.Key, b.Offset)
		}
	}
	if err := errors.Join(checkCounts(int64(m.Redrive), m.Commits), m.Stats.check(), m.Unread.check(), m.Edits.check(), m.Tolerance.check()); err != nil {
		return err
	}
	// A run with a journal does not end unless its counts add up.
	if s := m.Stats; m.Commits > 0 && s.Read != s.Succeeded+s.Failed+s.Skipped+s.Held+s.Pending {
		return fmt.Errorf("counts do not add up: %d succeeded, %d failed, %d skipped, %d held and %d pending of %d items",
			s.Succeeded, s.Failed, s.Skipped, s.Held, s.Pending, s.Read)
	}
	return nil
}

// CheckParts checks parts that a commit names.
func CheckParts(folder string, s BucketState) error {
	return (&ResultFiles{Failed: s.Failed, Succeeded: s.Succeeded, Held: s.Held}).check(folder, true)
}

// CheckLists checks lists of items.
func CheckLists(folder string, lists []Part) error {
	if err := (&ResultFiles{Failed: lists}).check(folder, true); err != nil {
		return err
	}
	for _, p := range lists {
		if !IsTaken(p.Key[len(folder):]) {
			return fmt.Errorf("part %q is no list of taken items", p.Key)
		}
	}
	return nil
}

// check checks the parts, which must lie in folder unless that is empty, and with strict have the
// names that dmap gives.
func (f *ResultFiles) check(folder string, strict bool) error {
	if n := len(f.Failed) + len(f.Pending) + len(f.Succeeded) + len(f.Held); n > MaxParts {
		return fmt.Errorf("%d parts: more than %d", n, MaxParts)
	}
	seen := map[string]bool{}
	for k := range Kinds {
		list := f.Of(k)
		for _, p := range list {
			switch {
			case p.Key == "" || folder != "" && !Within(folder, p.Key):
				return fmt.Errorf("part %q: %w %q", p.Key, ErrElsewhere, folder)
			case strict && (!strings.HasSuffix(p.Key, ".jsonl") || strings.HasSuffix(p.Key, "/.jsonl")):
				return fmt.Errorf("part %q is no .jsonl file", p.Key)
			case seen[p.Key]:
				return fmt.Errorf("part %q is named twice", p.Key)
			case p.Size < 0 || p.Size > MaxPart || p.Records < 0:
				return fmt.Errorf("part %q: size %d, records %d", p.Key, p.Size, p.Records)
			}
			seen[p.Key] = true
		}
	}
	return nil
}

// Within reports whether key lies directly in folder.
func Within(folder, key string) bool {
	name, inside := strings.CutPrefix(key, folder)
	return inside && name != "" && !strings.Contains(name, "/")
}
