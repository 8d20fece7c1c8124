package source_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/source"
)

type numbers struct {
	I   int
	I8  int8
	I16 int16
	I32 int32
	I64 int64
	U   uint
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	F32 float32
	F64 float64
	B   bool
	S   string
	P   *uint16
}

func parsedBy[V any](parse func(string) (V, error), text string) (V, bool) {
	v, err := parse(text)
	return v, err == nil
}

func TestIntoTakesTheNumbersThatStrconvTakes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	texts := []string{"", "0", "-0", "+1", "-1", "127", "128", "-128", "-129", "255", "256", "65535", "65536", "4294967295", "4294967296", "1e3",
		"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1.5", ".5", "5.", ".", "T", "true", "FALSE", "NaN", "0x10", "1_0"}
	for range 300 {
		texts = append(texts, strconv.FormatInt(random.Int64()>>random.IntN(64), 10), strconv.FormatFloat(random.NormFloat64()*1e3, 'f', random.IntN(12), 64))
	}
	names := strings.Split("I|I8|I16|I32|I64|U|U8|U16|U32|U64|F32|F64|B|S|P", "|")
	type cell struct {
		column, text string
		want         any
		ok           bool
	}
	var cells []cell // one in each row
	for _, text := range texts {
		check := func(column string, want any, ok bool) { cells = append(cells, cell{column, text, want, ok}) }
		for column, bits := range map[string]int{"I": strconv.IntSize, "I8": 8, "I16": 16, "I32": 32, "I64": 64} {
			want, ok := parsedBy(func(s string) (int64, error) { return strconv.ParseInt(s, 10, bits) }, text)
			check(column, want, ok)
			unsigned, ok := parsedBy(func(s string) (uint64, error) { return strconv.ParseUint(s, 10, bits) }, text)
			check("U"+column[1:], unsigned, ok)
		}
		f32, ok := parsedBy(func(s string) (float64, error) { return strconv.ParseFloat(s, 32) }, text)
		check("F32", float32(f32), ok)
		f64, ok := parsedBy(func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }, text)
		check("F64", f64, ok)
		b, ok := parsedBy(strconv.ParseBool, text)
		check("B", b, ok)
	}
	var data strings.Builder
	fmt.Fprintln(&data, strings.Join(names, "|"))
	for _, c := range cells {
		row := strings.Split("0|0|0|0|0|0|0|0|0|0|0|0|0|s|0", "|")
		row[slices.Index(names, c.column)] = c.text
		fmt.Fprintln(&data, strings.Join(row, "|"))
	}
	items := read(t, source.CSV(memory(t, map[string]string{"k": data.String()}), "k", source.Into[numbers], source.CSVOptions{Delimiter: '|'}))
	require.Len(t, items, len(cells))
	for i, c := range cells {
		require.Equal(t, c.ok, items[i].Err == nil, "%q into %s: %v", c.text, c.column, items[i].Err)
		if c.ok {
			require.Contains(t, fmt.Sprintf("%+v ", items[i].Value), fmt.Sprintf("%s:%v ", c.column, c.want), "%q", c.text)
		}
	}
	require.True(t, math.Signbit(values(read(t, source.CSV(memory(t, map[string]string{"k": "F\n-0\n"}), "k", source.Into[struct{ F float64 }])))[0].F))
}

func TestIntoDoesNotMixTheTextsOfRows(t *testing.T) {
	type named struct{ A, B, C string }
	var data strings.Builder
	data.WriteString("A,B,C\n")
	var want []named
	for i := range 2000 {
		row := named{"same", fmt.Sprint(i / 3), strings.Repeat("x", i%7)}
		want = append(want, row)
		fmt.Fprintf(&data, "%s,%s,\"%s\"\n", row.A, row.B, row.C)
	}
	src := source.CSV(memory(t, map[string]string{"k": data.String()}), "k", source.Into[named])
	require.Equal(t, want, values(read(t, src)))
}

func TestIntoLeavesNothingOfTheRowBefore(t *testing.T) {
	type sparse struct {
		A string  `csv:"a,omitempty"`
		N int     `csv:"n,omitempty"`
		P *string `csv:"p"`
	}
	src := source.CSV(memory(t, map[string]string{"k": "a,n,p\nx,1,y\n,,\nz,bad,\n,2,w\n"}), "k", source.Into[sparse])
	items := read(t, src)
	require.Equal(t, sparse{}, items[1].Value)
	require.Error(t, items[2].Err)
	require.Empty(t, items[3].Value.A)
	require.Equal(t, "w", *items[3].Value.P)
	require.Equal(t, "y", *items[0].Value.P)
}

func TestTypedRowsAllocateOnlyTheirText(t *testing.T) {
	type trip struct {
		ID    int     `csv:"id"`
		Fare  float64 `csv:"fare"`
		Flag  string  `csv:"flag"`
		Paid  bool    `csv:"paid"`
		Zone  uint16  `csv:"zone"`
		Small int8    `csv:"small,omitempty"`
	}
	const rows = 20_000
	data := "id,fare,flag,paid,zone,small\n" + strings.Repeat("17,12.50,N,true,265,\n", rows)
	src := source.CSV(memory(t, map[string]string{"k": data}), "k", source.Into[trip])
	allocs := testing.AllocsPerRun(3, func() {
		for _, err := range src.Items(t.Context()) {
			require.NoError(t, err)
		}
	})
	require.Less(t, allocs, float64(rows)/50)
}
