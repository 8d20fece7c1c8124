package dmap

import (
	"encoding/json"
	"errors"
	"time"
)

// callTimesJSON is the form of CallTimes in JSON: the buckets that have calls, by their numbers.
type callTimesJSON struct {
	Sum     time.Duration `json:"sum,omitempty"` // ns
	Buckets [][2]int64    `json:"buckets,omitempty"`
}

// MarshalJSON returns a form that UnmarshalJSON of the same version reads.
func (t CallTimes) MarshalJSON() ([]byte, error) {
	out := callTimesJSON{Sum: t.Sum}
	for i, n := range t.buckets {
		if n != 0 {
			out.Buckets = append(out.Buckets, [2]int64{int64(i), n})
		}
	}
	return json.Marshal(out)
}

var errCallTimes = errors.New("dmap: these are no times of calls")

// UnmarshalJSON sets t to those that MarshalJSON has encoded.
func (t *CallTimes) UnmarshalJSON(text []byte) error {
	var in callTimesJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	out := CallTimes{Sum: in.Sum}
	for _, b := range in.Buckets {
		i, n := b[0], b[1]
		if i < 0 || i >= timeBuckets || n < 0 || out.Count+n < 0 {
			return errCallTimes
		}
		out.buckets[i] += n
		out.Count += n
	}
	*t = out
	return nil
}

// Plus is the histogram of the calls of both, which are different calls.
func (t CallTimes) Plus(o CallTimes) CallTimes {
	t.Count += o.Count
	t.Sum += o.Sum
	for i := range t.buckets {
		t.buckets[i] += o.buckets[i]
	}
	return t
}

// Plus is the sum of both.
func (t Times) Plus(o Times) Times {
	return Times{Plan: t.Plan + o.Plan, Read: t.Read + o.Read, Sinks: t.Sinks + o.Sinks, Calls: t.Calls.Plus(o.Calls)}
}
