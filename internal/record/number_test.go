package record

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkNumber compares every accepted number with strconv.
func checkNumber(tb testing.TB, text string) {
	tb.Helper()
	if n, ok := Int([]byte(text)); ok {
		want, err := strconv.ParseInt(text, 10, 64)
		if err != nil || want != n {
			tb.Fatalf("%q: %d, strconv says %d, %v", text, n, want, err)
		}
	}
	for _, bits := range []int{32, 64} {
		if f, ok := Float([]byte(text), bits); ok {
			want, err := strconv.ParseFloat(text, bits)
			if err != nil || math.Float64bits(want) != math.Float64bits(f) {
				tb.Fatalf("%q, %d bits: %v, strconv says %v, %v", text, bits, f, want, err)
			}
		}
	}
}

func TestNumbersEqualStrconv(t *testing.T) {
	for _, text := range []string{
		"", "-", "+", ".", "-.", "1.", ".5", "-0", "-0.0", "+7", "1.2.3", "1e5", "0x1", "1_000", " 1", "inf", "NaN", "é",
		"999999999999999999", "9999999999999999999", "9007199254740992", "9007199254740993", "16777216", "16777217", "0.1", "0.00000000001",
	} {
		checkNumber(t, text)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		checkNumber(t, strconv.FormatFloat(random.NormFloat64()*math.Pow10(random.IntN(8)), 'f', random.IntN(8), 64))
		checkNumber(t, strconv.FormatInt(random.Int64()>>random.IntN(64), 10))
	}
}

func TestCommonNumbersAreParsedWithoutStrconv(t *testing.T) {
	for _, text := range []string{"0", "-12", "12.50", "-73.98", "123456789.12", ".5", "+3"} {
		f, ok := Float([]byte(text), 64)
		require.True(t, ok, text)
		require.NotZero(t, f+1)
	}
	_, ok := Int([]byte("-123456789012345678"))
	require.True(t, ok)
}

func FuzzNumber(f *testing.F) {
	f.Add("-12.50")
	f.Fuzz(func(t *testing.T, text string) { checkNumber(t, text) })
}
