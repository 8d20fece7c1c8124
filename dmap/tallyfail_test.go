package dmap

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/errtext"
)

// The tolerance may be judged while the text of a failure is made.
func TestAFailureCountsOnceTheErrorOfTheToleranceHasIt(t *testing.T) {
	var c *tally
	var during error
	rules := &errtext.Rules{Error: func(text string) string {
		during = errors.Join(during, c.exceeded())
		return text
	}}
	c = newTally(Tolerance{}, newRunLog(t.Context(), Options{RunID: "r", Logger: slog.New(slog.DiscardHandler)}, rules))
	failed := errors.New("failed")
	err := c.fail(&ItemError{Info: Info{Key: "a", Offset: WholeObject}, Err: failed})
	require.NoError(t, during)
	require.ErrorIs(t, err, ErrTolerance)
	require.ErrorIs(t, err, failed)
}
