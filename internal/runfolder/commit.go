package runfolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxCommit is how many bytes a commit record may have.
const MaxCommit = 256 << 20

// CommitRecord is the union of the commits From to Number: one commit, or a compacted record of
// several. Settled is in the order of splits and cursors, without intervals that touch.
type CommitRecord struct {
	From      int64                        `json:"from"`
	Number    int64                        `json:"number"`
	Era       *int64                       `json:"era,omitempty"`
	Shared    bool                         `json:"shared,omitempty"`
	Absorbed  []LeaseRange                 `json:"absorbed,omitempty"` // before States, whose number it limits
	Lane      *Lane                        `json:"lane,omitempty"`
	Final     bool                         `json:"final,omitempty"`
	Settled   []Interval                   `json:"settled,omitempty"`
	Prefixes  []Prefix                     `json:"prefixes,omitempty"`
	Counts    Counts                       `json:"counts"`
	States    map[string][]json.RawMessage `json:"states,omitempty"`
	Clean     bool                         `json:"clean,omitempty"`
	Stop      *Stop                        `json:"stop,omitempty"`
	Steps     []Step                       `json:"steps,omitempty"`
	Attempted []Attempt                    `json:"attempted,omitempty"`
	Redrive   *Begun                       `json:"redrive,omitempty"`
	Release   *Release                     `json:"release,omitempty"`
	Groups    []FailureGroup               `json:"groups,omitempty"`
	Regrouped bool                         `json:"regrouped,omitempty"`
	Edits     *Edits                       `json:"edits,omitempty"`
	Tolerance *Tolerance                   `json:"tolerance,omitempty"`
}

// Begun is the latest redrive that begins with one of the commits.
type Begun struct {
	Number  int      `json:"number"`
	Sink    string   `json:"sink"`
	Gone    int64    `json:"gone,omitempty"`
	Waiting []string `json:"waiting,omitempty"`
}

// Release is the latest release of held items by one of the commits.
type Release struct {
	Number  int64     `json:"number"`
	Sink    string    `json:"sink"`
	Redrive int       `json:"redrive,omitempty"`
	Newest  time.Time `json:"newest"`
	Taken   []Part    `json:"taken,omitempty"`
}

// Stop says why a process stopped before the end of its run.
type Stop struct {
	Reason string `json:"reason"`
	Error  string `json:"error,omitempty"`
}

// Prefix identifies the first items of a sequence, which a process that resumes must find again.
type Prefix struct {
	Split       string `json:"split"`
	SplitBase64 string `json:"splitBase64,omitempty"`
	Items       int64  `json:"items"`
	Hash        string `json:"hash"`
	Ended       bool   `json:"ended,omitempty"`
}

// Counts is what commits add to the counts of the run.
type Counts struct {
	Read      int64 `json:"read"`
	Taken     int64 `json:"taken"`
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	Skipped   int64 `json:"skipped"`
	Calls     int64 `json:"calls"`
	Retries   int64 `json:"retries"`
	Elapsed   int64 `json:"elapsed,omitempty"`
	Held      int64 `json:"held,omitempty"`
	Released  int64 `json:"released,omitempty"`
	Redriven  int64 `json:"redriven,omitempty"`
	Again     int64 `json:"again,omitempty"`
	Gone      int64 `json:"gone,omitempty"`

	Interrupted int64 `json:"interrupted,omitempty"`

	Bytes int64   `json:"bytes,omitempty"`
	Units float64 `json:"units,omitempty"`
}

// Step is what one commit says about processes and about items that were called in one that
// crashed. Commits that say nothing of that have none.
type Step struct {
	Number    int64     `json:"number"`
	Begins    bool      `json:"begins,omitempty"`
	Stuck     bool      `json:"stuck,omitempty"`
	Alone     bool      `json:"alone,omitempty"`
	Announced []Attempt `json:"announced,omitempty"`
	Clean     bool      `json:"clean,omitempty"`
}

// Attempt names items that were announced before their call.
type Attempt struct {
	Item     Interval `json:"item"`
	ID       string   `json:"id"`
	IDBase64 string   `json:"idBase64,omitempty"`
	Crashes  int      `json:"crashes,omitempty"`
	Alone    int      `json:"alone,omitempty"`
	Suspect  bool     `json:"suspect,omitempty"`
	Live     bool     `json:"live,omitempty"`
	Single   bool     `json:"single,omitempty"`
}

// BucketState is the state that the bucket's sink puts into a commit: the parts that count from it
// on.
type BucketState struct {
	Failed    []Part `json:"FAILED,omitempty"`
	Succeeded []Part `json:"SUCCEEDED,omitempty"`
	Held      []Part `json:"HELD,omitempty"`
	// Dropped are the keys of FAILED and HELD parts that count no more: a redrive took some of
	// their items, or some were decided.
	Dropped []string `json:"DROPPED,omitempty"`
}

// Add adds the state of a later commit to s. It looks at the parts of s only if later drops some: a
// journal has as many states as commits.
func (s *BucketState) Add(later BucketState) {
	if len(later.Dropped) > 0 {
		s.drop(later.Dropped)
	}
	s.Failed = append(s.Failed, later.Failed...)
	s.Succeeded = append(s.Succeeded, later.Succeeded...)
	s.Held = append(s.Held, later.Held...)
}

// drop removes the FAILED and HELD parts with these keys.
func (s *BucketState) drop(keys []string) {
	dropped := make(map[string]bool, len(keys))
	for _, key := range keys {
		dropped[key] = true
	}
	drop := func(p Part) bool {
		drop := dropped[p.Key]
		delete(dropped, p.Key)
		return drop
	}
	s.Failed, s.Held = slices.DeleteFunc(s.Failed, drop), slices.DeleteFunc(s.Held, drop)
	for _, key := range keys {
		if dropped[key] { // of a commit before s
			s.Dropped = append(s.Dropped, key)
		}
	}
}

// DecodeStates returns what the states of the bucket's sink say together, in the order of their
// commits.
func DecodeStates(states []json.RawMessage) (all BucketState, err error) {
	for i, text := range states {
		state, err := decodeState(text)
		if err != nil {
			return all, fmt.Errorf("state %d of %d: %w", i+1, len(states), err)
		}
		all.Add(state)
	}
	return all, nil
}

func decodeState(text []byte) (state BucketState, err error) {
	err = decodeObject(nil, text, &struct{}{}, map[string]func(*stream) error{ //nolint:staticcheck // nil: a record is decoded before
		"FAILED":    listOf(&state.Failed, MaxParts, "part", decodedPart),
		"SUCCEEDED": listOf(&state.Succeeded, MaxParts, "part", decodedPart),
		"HELD":      listOf(&state.Held, MaxParts, "part", decodedPart),
		"DROPPED":   listOf(&state.Dropped, MaxParts, "dropped part", decodedName),
	})
	return state, err
}

// FirstOf is the first commit that record n may hold: it reaches back as far as the largest power
// of 16 that divides n+1. A resume thus reads at most 15 records for each digit of n+1 in base 16,
// and a commit is written once for each digit. A record that would become too large reaches back a
// smaller power of 16; see Spans.
func FirstOf(n int64) int64 { return n + 1 - Spans(n)[0] }

// Spans are the numbers of commits that record n may hold: the powers of 16 that divide n+1, the
// largest first.
func Spans(n int64) []int64 {
	spans := []int64{1}
	for span := int64(16); (n+1)%span == 0; span *= 16 {
		spans = append(spans, span)
	}
	slices.Reverse(spans)
	return spans
}

func (r *CommitRecord) fields() []twin {
	var all []twin
	for i := range r.Settled {
		all = append(all, r.Settled[i].fields()...)
	}
	for i := range r.Prefixes {
		all = append(all, twin{&r.Prefixes[i].Split, &r.Prefixes[i].SplitBase64})
	}
	for i := range r.Steps {
		all = append(all, attemptFields(r.Steps[i].Announced)...)
	}
	all = append(all, r.Lane.fields()...)
	return append(append(all, attemptFields(r.Attempted)...), groupFields(r.Groups)...)
}

func attemptFields(list []Attempt) []twin {
	var all []twin
	for i := range list {
		all = append(append(all, twin{&list[i].ID, &list[i].IDBase64}), list[i].Item.fields()...)
	}
	return all
}

// ErrTooLarge says that a record would be too large for its readers.
var ErrTooLarge = errors.New("the record is too large")

// EncodeCommit is the object of a commit record. It fills the Base64 fields of r. A record of more
// than MaxCommit bytes is an error that matches ErrTooLarge, and one that the check of DecodeCommit
// refuses is an error: every written record can be read.
func EncodeCommit(writer string, r CommitRecord) ([]byte, error) {
	if err := errors.Join(r.check(r.Number), checkGroups(r.Groups)); err != nil {
		return nil, fmt.Errorf("commit %d is not written, as it could not be read: %w", r.Number, err)
	}
	return encodeCommit(writer, r)
}

func encodeCommit(writer string, r CommitRecord) ([]byte, error) {
	encode(r.fields()...)
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	if len(body) > MaxCommit-maxHeader {
		return nil, fmt.Errorf("%w: %d bytes, at most %d can be read", ErrTooLarge, len(body), MaxCommit-maxHeader)
	}
	header, err := json.Marshal(CommitHeader{
		Format: r.format(), Writer: writer, Size: len(body), SHA256: hex.EncodeToString(sum[:]), Era: r.Era, Shared: r.Shared,
	})
	if err != nil {
		return nil, err
	}
	return append(bytes.Join([][]byte{header, body}, []byte{'\n'}), '\n'), nil
}

// format is FormatShared if a version that knows no lanes must not continue the run.
func (r *CommitRecord) format() int {
	if r.Era != nil || r.Lane != nil || r.Final {
		return FormatShared
	}
	return Format
}

// DecodeCommit reads and checks commit record n.
func DecodeCommit(ctx context.Context, content []byte, n int64) (r CommitRecord, err error) {
	first, rest, _ := bytes.Cut(content, []byte{'\n'})
	header, err := decodeHeader(first)
	if err != nil {
		return r, err
	}
	body, end, _ := bytes.Cut(rest, []byte{'\n'})
	sum := sha256.Sum256(body)
	switch {
	case len(body) != header.Size || len(rest) != len(body)+1 || len(end) > 0:
		return r, fmt.Errorf("record is damaged: %d bytes follow the first line, which says %d", len(rest), header.Size+1)
	case hex.EncodeToString(sum[:]) != header.SHA256:
		return r, errors.New("record is damaged: wrong SHA-256")
	}
	if err := decodeObject(ctx, body, &r, r.lists(n)); err != nil {
		return r, err
	}
	if !header.agrees(r.Era, r.Shared) || header.Format != r.format() {
		return r, errors.New("record is damaged: its lines differ in era or format")
	}
	return r, r.check(n)
}

// lists decode the lists of record n. It is the union of at most as many commits as it may hold,
// each of which has one state for each sink and one step.
func (r *CommitRecord) lists(n int64) map[string]func(*stream) error {
	commits := int(min(Spans(n)[0], maxStates))
	return map[string]func(*stream) error{
		"settled":   listOf(&r.Settled, maxElements, "settled interval", decodedInterval),
		"prefixes":  listOf(&r.Prefixes, maxElements, "sequence", decodedPrefix),
		"attempted": listOf(&r.Attempted, maxElements, "announced item", decodedAttempt),
		"groups":    groupList(&r.Groups),
		"edits":     editList(&r.Edits),
		"absorbed":  listOf(&r.Absorbed, maxRanges, "range of lease", decodedRange),
		"states": func(s *stream) error {
			if len(r.Absorbed) > 0 { // a state for each commit of each lane
				return r.decodeStates(s, maxStates)
			}
			return r.decodeStates(s, commits)
		},
		"lane": func(s *stream) error {
			r.Lane = new(Lane)
			return s.object(r.Lane, map[string]func(*stream) error{"splits": listOf(&r.Lane.Splits, maxElements, "split", decodedSplit)})
		},
		"steps": func(s *stream) error { return r.decodeSteps(s, commits) },
		"redrive": func(s *stream) error {
			r.Redrive = new(Begun)
			return s.object(r.Redrive, map[string]func(*stream) error{"waiting": listOf(&r.Redrive.Waiting, MaxParts, "waiting split", decodedName)})
		},
		"release": func(s *stream) error {
			r.Release = new(Release)
			return s.object(r.Release, map[string]func(*stream) error{"taken": listOf(&r.Release.Taken, MaxParts, "part", decodedPart)})
		},
	}
}

// maxSinks is how many sinks of a run may have states.
const maxSinks = 1000

// decodeStates decodes the states of the sinks, by the positions of these.
func (r *CommitRecord) decodeStates(s *stream, commits int) error {
	if open, err := s.open('{'); err != nil || !open {
		return err
	}
	r.States = map[string][]json.RawMessage{}
	for s.json.More() {
		token, err := s.json.Token()
		if err != nil {
			return err
		}
		sink, _ := token.(string)
		if _, twice := r.States[sink]; twice || len(r.States) >= maxSinks {
			return fmt.Errorf("sink %q is there twice, or is one of more than %d", sink, maxSinks)
		}
		var states []json.RawMessage
		if err := listOf(&states, commits, "state", func([]json.RawMessage, *json.RawMessage) error { return nil })(s); err != nil {
			return err
		}
		r.States[sink] = states
	}
	_, err := s.json.Token()
	return err
}

// decodeSteps decodes the steps, which hold lists.
func (r *CommitRecord) decodeSteps(s *stream, commits int) error {
	return s.elements(func() {}, func(i int) error {
		if i >= commits {
			return fmt.Errorf("more than %d steps", commits)
		}
		var step Step
		err := s.object(&step, map[string]func(*stream) error{"announced": listOf(&step.Announced, maxElements, "announced item", decodedAttempt)})
		if err == nil && i > 0 && step.Number <= r.Steps[i-1].Number {
			err = fmt.Errorf("step %d is of commit %d, which is out of order", i, step.Number)
		}
		r.Steps = append(r.Steps, step)
		return err
	})
}

func (r *CommitRecord) check(n int64) error {
	if r.Number != n || !slices.Contains(Spans(n), n+1-r.From) {
		return fmt.Errorf("record holds the commits %d to %d, want %d to %d", r.From, r.Number, FirstOf(n), n)
	}
	settings := errors.Join(r.Edits.check(), r.Tolerance.check(), r.checkShared())
	if err := errors.Join(checkIntervals(r.Settled), checkPrefixes(r.Prefixes), r.Counts.check(), checkAttempts(r.Attempted), settings); err != nil {
		return err
	}
	if len(r.Settled) == 0 && r.Counts.Read > 0 {
		return fmt.Errorf("record counts %d items and settles none", r.Counts.Read)
	}
	for i, s := range r.Steps {
		if s.Number < r.From || s.Number > n || i > 0 && s.Number <= r.Steps[i-1].Number {
			return fmt.Errorf("step %d is of commit %d, which is out of order", i, s.Number)
		}
		if err := s.check(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	if r.Redrive != nil && r.Redrive.Number < 1 {
		return fmt.Errorf("redrive %d begins", r.Redrive.Number)
	}
	if e := r.Release; e != nil && (e.Number < r.From || e.Number > n || e.Redrive < 0) {
		return fmt.Errorf("release of commit %d in redrive %d", e.Number, e.Redrive)
	}
	return nil
}

func (s *Step) check() error {
	return checkAttempts(s.Announced)
}

// checkShared checks what a record says about sharing a run between machines.
func (r *CommitRecord) checkShared() error {
	switch {
	case r.Lane != nil && r.From != 0:
		return errors.New("the lane is not in the first record")
	case r.Era != nil && (*r.Era < 0 || *r.Era > r.Number):
		return fmt.Errorf("era %d in record %d", *r.Era, r.Number)
	case r.Era == nil && (r.Shared || len(r.Absorbed) > 0):
		return errors.New("the record has no era")
	case r.Era != nil && (r.Lane != nil || r.Final):
		return errors.New("the record is of a run and of a lane")
	}
	return r.Lane.check()
}
