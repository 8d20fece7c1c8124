package attention

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMarkIsFoundInTheChainAndChangesNothingElse(t *testing.T) {
	cause := errors.New("403 Forbidden")
	require.False(t, Needed(cause))
	require.False(t, Needed(nil))
	require.NoError(t, Mark(nil))
	marked := fmt.Errorf("read %q: %w", "run.json", Mark(cause))
	require.True(t, Needed(marked))
	require.ErrorIs(t, marked, cause)
	require.EqualError(t, marked, `read "run.json": 403 Forbidden`)
	require.Same(t, marked, Mark(marked), "marked once")
	require.True(t, Needed(errors.Join(errors.New("other"), marked)))
}
