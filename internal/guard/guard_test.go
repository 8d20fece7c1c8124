package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

type own struct{}

func (*own) Error() string { return "own" }

type endless struct{}

func (e endless) Error() string { return "endless" }
func (e endless) Unwrap() error { return e }

func TestPlainErrorsHaveNoMethodOfAUser(t *testing.T) {
	_, syntax := strconv.Atoi("x")
	base := errors.New("base")
	for _, err := range []error{
		base, fmt.Errorf("a: %w", base), fmt.Errorf("%w and %w", base, syntax), errors.Join(base, context.Canceled), syntax,
		&url.Error{Op: "Get", URL: "/", Err: base}, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, context.DeadlineExceeded,
		dmap.Permanent(base), dmap.RetryAfter(base, time.Second), &dmap.ReadError{Err: base}, dmap.ErrGoexit,
	} {
		require.True(t, guard.PlainError(err), "%T", err)
	}
	for _, err := range []error{
		&own{}, (*own)(nil), fmt.Errorf("a: %w", &own{}), errors.Join(base, &own{}), &url.Error{Op: "Get", URL: "/", Err: &own{}},
		errors.Join(base, fmt.Errorf("a: %w", &own{})), dmap.Permanent(&own{}), &dmap.PanicError{Value: &own{}}, endless{},
		batch.Errors{1: &own{}}, (*fs.PathError)(nil), fmt.Errorf("a: %w", error((*own)(nil))),
	} {
		require.False(t, guard.PlainError(err), "%T", err)
	}
}

// holds is an error that may hold a value which cannot be compared.
type holds struct{ value any }

func (holds) Error() string { return "holds" }

func TestSearchesOfErrorsThatASearchDoesNotAskNeedNoGuard(t *testing.T) {
	for _, err := range []error{&own{}, (*own)(nil), holds{[]int{}}, fmt.Errorf("a: %w", &own{}), errors.Join(io.EOF, holds{1}), io.EOF} {
		require.True(t, guard.Searchable(err), "%T", err)
	}
	for _, err := range []error{
		endless{}, forked{}, does{func() {}}, batch.Errors{1: &own{}}, fmt.Errorf("a: %w", endless{}), errors.Join(io.EOF, grows{}),
		dmap.Permanent(does{func() {}}), (*fs.PathError)(nil),
	} {
		require.False(t, guard.Searchable(err), "%T", err)
	}
	require.True(t, guard.Is(errors.Join(&own{}, holds{1}), holds{1}))
	require.False(t, guard.Is(holds{[]int{}}, holds{[]int{}}), "not comparable")
	found, ok := guard.As[holds](fmt.Errorf("a: %w", holds{1}))
	require.True(t, ok)
	require.Equal(t, holds{1}, found)
}

type marshals struct{}

func (*marshals) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

type texts int

func (texts) MarshalText() ([]byte, error) { return []byte("1"), nil }

type unmarshals struct{}

func (*unmarshals) UnmarshalJSON([]byte) error { return nil }

type unmarshalsText string

func (*unmarshalsText) UnmarshalText([]byte) error { return nil }

type zero struct{}

func (zero) IsZero() bool { return true }

type inner struct{ A any }

type tree struct {
	Next     *tree
	Children map[string][]tree
	At       time.Time
	Raw      json.RawMessage
	Big      *big.Int
	Addr     netip.Addr
	Left     marshals `json:"-"`
	_        any
}

func TestPlainValuesHaveNoMethodThatJSONCalls(t *testing.T) {
	for _, v := range []any{1, "x", true, 1.5, []int{}, [2]string{}, map[string]int{}, struct{ A, b int }{}, &tree{}, time.Now(), json.Number("1"), nil} {
		require.True(t, guard.PlainJSON(reflect.TypeOf(v)), "%T", v)
	}
	var face any = 1
	for _, v := range []any{
		unmarshals{}, []unmarshals{}, unmarshalsText(""), map[unmarshalsText]int{},
		marshals{}, &marshals{}, []marshals{}, map[texts]int{}, map[string]texts{}, struct{ A *marshals }{}, struct{ marshals }{},
		struct {
			A zero `json:",omitzero"`
		}{}, []any{1}, &face, struct{ A fmt.Stringer }{}, [1]marshals{},
		struct {
			A marshals `json:"-,"` //nolint:staticcheck // the field has the name "-"
		}{}, struct{ inner }{},
	} {
		require.False(t, guard.PlainJSON(reflect.TypeOf(v)), "%T", v)
	}
}
