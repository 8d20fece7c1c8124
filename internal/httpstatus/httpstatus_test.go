package httpstatus_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/httpstatus"
)

type withMethod struct{ status int }

func (withMethod) Error() string         { return "method" }
func (e withMethod) HTTPStatusCode() int { return e.status }

type withGax struct{}

func (withGax) Error() string { return "gax" }
func (withGax) HTTPCode() int { return 503 }

type withField struct {
	Code       string // no number
	StatusCode int
}

func (withField) Error() string { return "field" }

type embedded struct{ *withField }

func (embedded) Error() string { return "embedded" }

type hidden struct{ code int }

func (hidden) Error() string { return "hidden" }

func TestTheStatusIsInAMethodOrAField(t *testing.T) {
	for want, errs := range map[int][]error{
		404: {withMethod{404}, &withMethod{404}, withField{StatusCode: 404}, &withField{StatusCode: 404}, embedded{&withField{StatusCode: 404}}},
		503: {withGax{}},
		0: {
			nil, errors.New("503"), withMethod{99}, withMethod{600}, withMethod{-1}, embedded{}, (*withField)(nil), hidden{404},
			errors.Join(withMethod{404}),
		},
	} {
		for _, err := range errs {
			require.Equal(t, want, httpstatus.Of(err), "%T", err)
		}
	}
}
