package record

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/testsize"
)

var backslash = CSVOptions{Delimiter: ',', MaxRecord: 1 << 20, MaxFields: 1000, Backslash: true}

func TestABackslashEscapesItselfQuotesAndDelimiters(t *testing.T) {
	for text, want := range map[string][]string{
		`a\,b,c`:              {"a,b", "c"},
		`a\"b,c`:              {`a"b`, "c"},
		`a\\,b`:               {`a\`, "b"},
		`a\\\,b,c`:            {`a\,b`, "c"},
		`a\nb,\tc\`:           {"anb", "tc"},
		`"a\"b",c`:            {`a"b`, "c"},
		`"a\\",b`:             {`a\`, "b"},
		`"a\,b","c,d"`:        {"a,b", "c,d"},
		`"a""b",c""d`:         {`a"b`, `c"d`},
		"\"a\nb\\\nc\",d":     {"a\nb\nc", "d"},
		"a\\":                 {"a"},
		"a,b\\\nx":            {"a", "b"},
		"a,b\\\r\nx":          {"a", "b"},
		`\"a,b\"`:             {`"a`, `b"`},
		`"",\\`:               {"", `\`},
		`é\€,"\é"`:            {"é€", "é"},
		"a,b\r\nc":            {"a", "b"},
		`,\,,`:                {"", ",", ""},
		`"\\\"\\",x`:          {`\"\`, "x"},
		`1,"2 \"two\", ok",3`: {"1", `2 "two", ok`, "3"},
	} {
		c := NewCSV(strings.NewReader(text), 0, -1, backslash)
		require.NoError(t, c.Next(), text)
		got := []string{}
		for i := range c.Len() {
			got = append(got, c.Text(i))
		}
		require.Equal(t, want, got, text)
		require.True(t, strings.HasPrefix(text, string(c.Raw())), "%q of %q", c.Raw(), text)
	}
}

func TestMalformedRowsOfADialectWithBackslashesAreFaults(t *testing.T) {
	for text, want := range map[string]error{`a"b,c`: errBareQuote, `"a"b,c`: errAfterQuote, "a\rb": errBareCR, `a,b"`: errBareQuote} {
		rows, err := rowsFrom([]byte(text+"\nnext,row\n"), 0, 4096, backslash)
		require.NoError(t, err)
		require.Len(t, rows, 2, text)
		require.ErrorIs(t, rows[0].fault.Err, want, text)
		require.Equal(t, []string{"next", "row"}, rows[1].fields)
	}
	for _, text := range []string{`"a`, `"a\"`, `"a\`, "x\n\"a\\\"\n"} {
		_, err := rowsFrom([]byte(text), 0, 4096, backslash)
		require.ErrorIs(t, err, ErrQuote, text)
	}
}

// randomBackslash writes fields in all forms that the dialect has.
func randomBackslash(random *rand.Rand, fields []string) string {
	var b strings.Builder
	for i, field := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		quoted := random.IntN(2) == 0 || strings.ContainsAny(field, "\n\r") || strings.HasPrefix(field, `"`)
		if quoted {
			b.WriteByte('"')
		}
		for _, r := range field {
			switch {
			case r == '"' && random.IntN(2) == 0:
				b.WriteString(`""`)
			case r == '"' || r == '\\' || r == ',' && (!quoted || random.IntN(2) == 0):
				b.WriteString(`\` + string(r))
			case r != '\n' && r != '\r' && random.IntN(20) == 0:
				b.WriteString(`\` + string(r))
			default:
				b.WriteRune(r)
			}
		}
		if quoted {
			b.WriteByte('"')
		}
	}
	return b.String()
}

func TestRowsWithBackslashesAreReadAsTheyWereWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 9))
	pieces := []string{"a", "bc", "é", `"`, `\`, ",", "\n", "\r\n", " ", "x", "long text ", "1"}
	for range (testsize.Sizes{Short: 20, Usual: 100, Long: 1000}).Now() {
		var data bytes.Buffer
		var want [][]string
		for range 1 + random.IntN(60) {
			fields := make([]string, 1+random.IntN(4))
			plain := random.IntN(3) > 0 // rows without backslashes are indexed
			for i := range fields {
				for range random.IntN(6) {
					if fields[i] += pieces[random.IntN(len(pieces))]; plain {
						fields[i] = "plain"
					}
				}
			}
			if fields[0] == "" && len(fields) == 1 {
				continue // an empty line is no row
			}
			want = append(want, fields)
			if plain {
				data.WriteString(strings.Join(fields, ",") + "\n")
			} else {
				data.WriteString(randomBackslash(random, fields) + "\r\n")
			}
		}
		for _, size := range []int{16, 64, 4096} {
			for name, next := range map[string]func(*CSV) error{"indexed": (*CSV).Next, "parsed": nextWithoutIndex} {
				rows, err := rowsBy(next, data.Bytes(), 0, size, backslash)
				require.NoError(t, err, "%s %q", name, data.String())
				got := [][]string{}
				for _, r := range rows {
					require.False(t, r.bad(), "%s %v %q", name, r, data.String())
					got = append(got, r.fields)
				}
				require.Equal(t, fmt.Sprintf("%q", want), fmt.Sprintf("%q", got), "%s %d %q", name, size, data.String())
			}
		}
	}
}

func TestARowThatIsTooLongEndsWhereItsDialectSays(t *testing.T) {
	o := backslash
	o.MaxRecord = 100
	for _, long := range []string{
		`"` + strings.Repeat(`x\"`+"\n", 100) + `",end`, strings.Repeat(`a\,`, 100), strings.Repeat(`""`, 300), `x"",` + strings.Repeat("y", 300) + `,"a` + "\n" + `b"`,
		`"` + strings.Repeat("z", 300) + `\\"`, strings.Repeat("w", 300) + `\`,
	} {
		for _, size := range []int{16, 17, 18, 4096} {
			c := NewCSV(strings.NewReader(long+"\nnext,row\n"), 0, -1, o)
			c.buf = c.buf[:size]
			var fault *Fault
			require.ErrorAs(t, c.Next(), &fault, long)
			require.Equal(t, "record bytes", fault.Limit, long)
			require.NoError(t, c.Next(), "%d %q", size, long)
			require.Equal(t, "next", c.Text(0))
			require.ErrorIs(t, c.Next(), io.EOF)
		}
	}
}
