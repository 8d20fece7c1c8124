package transient_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/transient"
)

// fieldError has its status in a field, as googleapi.Error and azcore.ResponseError do.
type fieldError struct{ Code int }

func (e *fieldError) Error() string { return fmt.Sprint("Error ", e.Code) }

type otherField struct{ StatusCode int }

func (e *otherField) Error() string { return fmt.Sprint("answered ", e.StatusCode) }

func TestOnlyAClear404IsAbsent(t *testing.T) {
	notFound := func(err error) error { return withCode(t, gcerrors.NotFound, err) }
	for name, test := range map[string]struct {
		err             error
		absent, refused bool
	}{
		"no status":             {notFound(errors.New("no such key")), true, false},
		"404 in a field":        {notFound(&fieldError{404}), true, false},
		"404 by a method":       {notFound(statusError(404)), true, false},
		"403 of gcsblob":        {notFound(fmt.Errorf("get: %w", &fieldError{403})), false, true},
		"403 by a method":       {notFound(statusError(403)), false, true},
		"403 of azcore":         {notFound(&otherField{403}), false, true},
		"401":                   {notFound(&fieldError{401}), false, true},
		"500":                   {notFound(&fieldError{500}), false, false},
		"denied":                {withCode(t, gcerrors.PermissionDenied, errors.New("no")), false, true},
		"a file of another":     {&fs.PathError{Op: "open", Path: "run.json", Err: fs.ErrPermission}, false, true},
		"a status of something": {notFound(&fieldError{7}), true, false},
		"unknown":               {errors.New("broken"), false, false},
		"nil":                   {nil, false, false},
	} {
		require.Equal(t, test.absent, transient.Absent(test.err), name)
		require.Equal(t, test.refused, transient.Refused(test.err), name)
		require.Equal(t, test.refused, attention.Needed(transient.Explain(test.err)), name)
	}
}
