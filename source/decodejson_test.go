package source

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type inner struct {
	A int            `json:"a"`
	M map[string]int `json:"m"`
	L []inner        `json:"l"`
}

type shouting string

func (s *shouting) UnmarshalText(text []byte) error {
	*s = shouting(strings.ToUpper(string(text)))
	return nil
}

type picky struct{ N int }

func (p *picky) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &p.N) }

type embedded struct{ Promoted string }

// versatile has what the two versions of JSON decoders treat in different ways.
type versatile struct {
	embedded
	Name    string          `json:"name"`
	SnakeIt int             `json:"snake_it"`
	Quoted  int             `json:"quoted,string"`
	QuotedS string          `json:"quoteds,string"`
	QuotedB bool            `json:"quotedb,string"`
	Bytes   []byte          `json:"bytes"`
	Fixed   [3]byte         `json:"fixed"`
	Pair    [2]int          `json:"pair"`
	Took    time.Duration   `json:"took"`
	At      time.Time       `json:"at"`
	Big     big.Int         `json:"big"`
	Raw     json.RawMessage `json:"raw"`
	Any     any             `json:"any"`
	Text    shouting        `json:"text"`
	Own     picky           `json:"own"`
	Ptr     *inner          `json:"ptr"`
	In      inner           `json:"in"`
	Inline  inner           `json:",inline"`
	Map     map[int]string  `json:"map"`
	Float   float32         `json:"float"`
	Small   int8            `json:"small"`
	Skip    string          `json:"-"`
}

// sameAsStandard holds the default decoder against json.Unmarshal, value and error.
func sameAsStandard[T any](tb testing.TB, data string) {
	tb.Helper()
	var want T
	wantErr := json.Unmarshal([]byte(data), &want)
	got, err := jsonDecoder[T]()([]byte(data))
	require.Equal(tb, want, got, "%q", data)
	if wantErr == nil {
		require.NoError(tb, err, "%q", data)
	} else {
		require.ErrorContains(tb, err, wantErr.Error(), "%q", data)
	}
}

var jsonCases = []string{
	``, `{`, `null`, `{}`, `[]`, `1`, `"x"`, ` {"name":"a"} `, `{"name":"a"}x`, `{"NAME":"a","Snake_It":1,"snake-it":2,"snakeit":3}`, `{"name":"a","name":"b"}`,
	`{"name":"\ud800","any":"\ud83d\ude00"}`, "{\"name\":\"\xff\"}", `{"name":null,"in":{"a":1},"in":{"m":{"x":1}},"in":null}`, `{"in":{"m":{"x":1}},"in":{"m":{"y":2}}}`,
	`{"in":{"l":[{"a":1},{"a":2}]},"in":{"l":[{"m":{}}]}}`, `{"quoted":"12","quoteds":"\"q\"","quotedb":"true"}`, `{"quoted":12}`, `{"quoteds":"q"}`, `{"quotedb":true}`, `{"quoted":"x"}`,
	`{"bytes":"aGk=","fixed":[1,2,3],"pair":[1]}`, `{"bytes":"aG\nk=","fixed":[1,2,3,4],"pair":[1,2,3]}`, `{"fixed":"aGkh"}`, `{"bytes":[1,2]}`, `{"bytes":"a"}`,
	`{"took":1500,"at":"2026-11-24T08:00:00Z","big":123456789012345678901}`, `{"took":"1s"}`, `{"at":"2026-11-24 08:00:00"}`, `{"at":"2026-11-24T8:00:00Z"}`, `{"big":"x"}`,
	`{"raw": {"x" : [1, 2]} ,"any":{"a":[1,2.5,"x",null,true,{"b":{}}]}}`, `{"any":12345678901234567890}`, `{"text":"loud","own":5,"ptr":{"a":3}}`, `{"text":5}`, `{"text":null,"own":null,"ptr":null}`,
	`{"own":"x"}`, `{"map":{"1":"a","2":"b"}}`, `{"map":{"x":"a"}}`, `{"float":1e39}`, `{"float":0.1,"small":127}`, `{"small":128}`, `{"small":1.5}`, `{"small":"1"}`,
	`{"Skip":"x","-":"y","Promoted":"p","inline":{"a":4},"Inline":{"a":5}}`, `{"any":[` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `]}`, `{"name":"a",}`, `{"name":01}`, `{"name":"a" "b":1}`, "{\"name\":\"\t\"}",
}

func TestDefaultDecoderIsThatOfTheStandardLibrary(t *testing.T) {
	for _, data := range jsonCases {
		sameAsStandard[versatile](t, data)
		sameAsStandard[any](t, data)
		sameAsStandard[map[string]any](t, data)
		sameAsStandard[*inner](t, data)
		sameAsStandard[struct{ Any json.Number }](t, data)
	}
}

func FuzzDefaultDecoder(f *testing.F) {
	for _, data := range jsonCases {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		sameAsStandard[versatile](t, data)
		sameAsStandard[any](t, data)
	})
}

func TestOnlyTypesWithANumberAreLeftToTheStandardLibrary(t *testing.T) {
	type node struct {
		Next *node
		N    []map[string]*json.Number
	}
	decode := jsonDecoder[node]()
	_, err := decode([]byte(`{"Next":{"N":[{"a":"no number"}]}}`))
	require.ErrorContains(t, err, "no number")
	got, err := decode([]byte(`{"N":[{"a":12345678901234567890}]}`))
	require.NoError(t, err)
	require.EqualValues(t, "12345678901234567890", *got.N[0]["a"])
}
