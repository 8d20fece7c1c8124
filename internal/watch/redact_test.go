package watch

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestKeysAreShownAsTheRunShowsThem(t *testing.T) {
	byRun := func(key string) string {
		if key == "panics" {
			panic("hide it")
		}
		return "run:" + strings.ToUpper(key)
	}
	byHost := func(key string) string { return "host" }
	for name, c := range map[string]struct {
		host, run func(string) string
		key, want string
	}{
		"nobody hides":   {nil, nil, "k", "k"},
		"the run hides":  {nil, byRun, "k", "run:K"},
		"the host hides": {byHost, byRun, "k", "host"},
		"a panic":        {nil, byRun, "panics", "(hidden)"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := dmap.RunSpec{RunID: "r"}
			spec.Options.Redact.Key = c.run
			w := watch(t, NewSet(Options{Redact: c.host}), spec)
			w.FailureSettled(w.ctx, dmap.FailureEvent{Info: dmap.Info{Key: c.key, Offset: 3}, Err: errors.New("object " + c.key + " is bad")})
			sample := w.Snapshot().Failures.Groups[0].Samples[0]
			require.Equal(t, c.want, sample.Key)
			require.Equal(t, c.want+"@3", sample.ID)
			require.Equal(t, "object "+c.want+" is bad", sample.Error)
		})
	}
}
