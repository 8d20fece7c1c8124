package runfolder

import (
	"encoding/json"
	"fmt"
	"slices"
)

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
