package dmap

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimesSurviveJSONAndAddUp(t *testing.T) {
	var m, other meter
	for i := range 100 {
		m.called(i, 1, time.Duration(i)*time.Millisecond)
	}
	other.called(0, 50, time.Second)
	times := m.times()
	times.Plan, times.Read, times.Sinks = 1, 2, 3
	text, err := json.Marshal(times)
	require.NoError(t, err)
	require.Less(t, len(text), 600)
	var read Times
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, times, read)
	both := read.Plus(other.times())
	require.EqualValues(t, 150, both.Calls.Count)
	require.Equal(t, times.Calls.Sum+50*time.Second, both.Calls.Sum)
	require.InDelta(t, time.Second, both.Calls.Quantile(0.9), float64(time.Second)/16)
	require.Equal(t, times.Calls, both.Calls.Since(other.times().Calls))
}

func TestTimesOfOthersAreChecked(t *testing.T) {
	for name, text := range map[string]string{
		"no such bucket":    `{"buckets":[[488,1]]}`,
		"before the first":  `{"buckets":[[-1,1]]}`,
		"a negative number": `{"buckets":[[1,-1]]}`,
		"too many":          `{"buckets":[[1,9223372036854775807],[2,1]]}`,
		"no numbers":        `{"buckets":[["a",1]]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var c CallTimes
			require.Error(t, json.Unmarshal([]byte(text), &c))
			require.Zero(t, c)
		})
	}
}
