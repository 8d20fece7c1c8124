package runfolder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/internal/failgroup"
)

// FailureGroup is a group of failed items: failgroup.Group as it is stored.
type FailureGroup struct {
	ID      string          `json:"id"`
	Class   string          `json:"class,omitempty"`
	Message string          `json:"message,omitempty"`
	Count   int64           `json:"count"`
	Over    int64           `json:"over,omitempty"`
	First   time.Time       `json:"first,omitzero"`
	Last    time.Time       `json:"last,omitzero"`
	Samples []FailureSample `json:"samples,omitempty"`
	Where   []KeyPrefix     `json:"where,omitempty"`
	Trend   Trend           `json:"trend,omitzero"`
}

// FailureSample is a failed item of a group.
type FailureSample struct {
	ID       string    `json:"id"`
	IDBase64 string    `json:"idBase64,omitempty"`
	KeyBytes int       `json:"keyBytes,omitempty"`
	Error    string    `json:"error"`
	Class    string    `json:"class,omitempty"`
	Attempts int       `json:"attempts"`
	At       time.Time `json:"at,omitzero"`
}

// KeyPrefix is a prefix of keys with the number of failures under it.
type KeyPrefix struct {
	Prefix       string `json:"prefix"`
	PrefixBase64 string `json:"prefixBase64,omitempty"`
	Count        int64  `json:"count"`
}

// Trend counts failures in consecutive intervals.
type Trend struct {
	Start  time.Time `json:"start"`
	Width  int64     `json:"width"`
	Counts []int64   `json:"counts"`
}

// MaxGroups is how many groups an index may have, with "other".
const MaxGroups = failgroup.MaxGroups + 1

// StoredGroups are the groups of an index as they are stored.
func StoredGroups(x *failgroup.Index) []FailureGroup {
	var out []FailureGroup
	for _, g := range x.Groups() {
		out = append(out, storedGroup(&g))
	}
	return out
}

func storedGroup(g *failgroup.Group) FailureGroup {
	s := FailureGroup{ID: g.ID, Class: g.Class, Message: g.Message, Count: g.Count, Over: g.Over, First: g.First, Last: g.Last}
	for i := range g.Samples {
		one := &g.Samples[i]
		stored := FailureSample{ID: one.ID, Error: one.Error, Attempts: one.Attempts, At: one.At}
		if one.Key != one.ID { // a prefix of it
			stored.KeyBytes = len(one.Key)
		}
		if one.Class != g.Class {
			stored.Class = one.Class
		}
		s.Samples = append(s.Samples, stored)
	}
	for _, w := range g.Where {
		s.Where = append(s.Where, KeyPrefix{Prefix: w.Prefix, Count: w.Count})
	}
	if t := &g.Trend; t.Width > 0 {
		s.Trend = Trend{t.StartTime(), t.Width * int64(time.Second), t.Counts}
	}
	return s
}

// IndexOf is the inverse of StoredGroups.
func IndexOf(groups []FailureGroup) *failgroup.Index {
	out := make([]failgroup.Group, 0, len(groups))
	for i := range groups {
		out = append(out, groups[i].group())
	}
	return failgroup.FromGroups(out)
}

func (s *FailureGroup) group() failgroup.Group {
	g := failgroup.Group{ID: s.ID, Class: s.Class, Message: s.Message, Count: s.Count, Over: s.Over, First: s.First, Last: s.Last}
	for _, one := range s.Samples {
		sample := failgroup.Sample{ID: one.ID, Key: one.ID, Error: one.Error, Class: one.Class, Attempts: one.Attempts, At: one.At}
		if one.KeyBytes > 0 {
			sample.Key = one.ID[:one.KeyBytes]
		}
		if one.Class == "" {
			sample.Class = s.Class
		}
		g.Samples = append(g.Samples, sample)
	}
	for _, w := range s.Where {
		g.Where = append(g.Where, failgroup.Place{Prefix: w.Prefix, Count: w.Count})
	}
	g.Trend = s.Trend.trend()
	return g
}

func (t *Trend) trend() failgroup.Trend {
	if t.Width <= 0 {
		return failgroup.Trend{}
	}
	return failgroup.Trend{Start: t.Start.Unix(), Width: t.Width / int64(time.Second), Counts: t.Counts}
}

// groupFields are the fields of groups that may not be UTF-8.
func groupFields(groups []FailureGroup) []twin {
	var all []twin
	for i := range groups {
		g := &groups[i]
		for j := range g.Samples {
			all = append(all, twin{&g.Samples[j].ID, &g.Samples[j].IDBase64})
		}
		for j := range g.Where {
			all = append(all, twin{&g.Where[j].Prefix, &g.Where[j].PrefixBase64})
		}
	}
	return all
}

// maxGroup is how many bytes a group may have: more than the largest has with all its escapes.
const maxGroup = 1 << 20

// groupList decodes a list of groups. Each is checked before the next one is decoded, and its size
// before it is.
func groupList(out *[]FailureGroup) func(*stream) error {
	return func(s *stream) error {
		*out = nil
		return s.elements(func() { *out = []FailureGroup{} }, func(i int) error {
			var text json.RawMessage
			if err := s.json.Decode(&text); err != nil {
				return fmt.Errorf("group %d: %w", i, err)
			}
			return addGroup(out, text)
		})
	}
}

// addGroup decodes a group and adds it to a list.
func addGroup(list *[]FailureGroup, text []byte) error {
	i := len(*list)
	if i >= MaxGroups {
		return fmt.Errorf("more than %d groups", MaxGroups)
	}
	if len(text) > maxGroup {
		return fmt.Errorf("group %d: %d bytes, at most %d are read", i, len(text), maxGroup)
	}
	var g FailureGroup
	if err := json.Unmarshal(text, &g); err != nil {
		return fmt.Errorf("group %d: %w", i, err)
	}
	if err := checkGroup(*list, &g); err != nil {
		return err
	}
	*list = append(*list, g)
	return nil
}

// checkGroup checks a group after those before it, and restores its texts.
func checkGroup(before []FailureGroup, g *FailureGroup) error {
	one := []FailureGroup{*g}
	if err := decode(groupFields(one)...); err != nil {
		return err
	}
	*g = one[0]
	return checkAfter(before, g)
}

func checkAfter(before []FailureGroup, g *FailureGroup) error {
	if g.ID == "" || len(before) > 0 && before[len(before)-1].ID == failgroup.OtherID {
		return fmt.Errorf("group %q: no ID, or it follows the group of all others", g.ID)
	}
	if err := g.check(); err != nil {
		return fmt.Errorf("group %q: %w", g.ID, err)
	}
	return nil
}

// checkGroups checks groups that are to be written.
func checkGroups(groups []FailureGroup) error {
	if len(groups) > MaxGroups {
		return fmt.Errorf("more than %d groups", MaxGroups)
	}
	for i := range groups {
		if err := checkAfter(groups[:i], &groups[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *FailureGroup) check() error {
	if err := checkCounts(s.Count, s.Over); err != nil {
		return err
	}
	if len(s.Message) > failgroup.MaxMessage || len(s.Samples) > failgroup.MaxSamples || len(s.Where) > failgroup.MaxPlaces {
		return fmt.Errorf("message of %d bytes, %d samples, %d prefixes: more than %d, %d or %d",
			len(s.Message), len(s.Samples), len(s.Where), failgroup.MaxMessage, failgroup.MaxSamples, failgroup.MaxPlaces)
	}
	for _, one := range s.Samples {
		if one.KeyBytes < 0 || one.KeyBytes > len(one.ID) || one.Attempts < 0 || len(one.ID)+len(one.Error) > failgroup.MaxSample {
			return fmt.Errorf("sample %.40q: key of %d bytes, %d attempts, %d bytes", one.ID, one.KeyBytes, one.Attempts, len(one.ID)+len(one.Error))
		}
	}
	sum := int64(0)
	for _, w := range s.Where {
		if err := checkCounts(w.Count); err != nil {
			return err
		}
		sum += w.Count
	}
	if sum != s.Count {
		return fmt.Errorf("%d failures, %d under its prefixes", s.Count, sum)
	}
	if err := checkCounts(s.Trend.Counts...); err != nil {
		return fmt.Errorf("trend: %w", err)
	}
	if t := s.Trend; t.Width%int64(time.Second) != 0 || t.Start.Nanosecond() != 0 {
		return errors.New("trend is not in whole seconds")
	}
	if t := s.Trend.trend(); s.Trend.Width < 0 || !t.Check() {
		return errors.New("trend is damaged")
	}
	return nil
}

// EncodeGroups is the content of an object of groups: one a line. It fills their Base64 fields.
func EncodeGroups(groups []FailureGroup) ([]byte, error) {
	encode(groupFields(groups)...)
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	for i := range groups {
		if err := lines.Encode(&groups[i]); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
