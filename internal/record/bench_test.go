package record

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"
)

// table is 6 MB of rows like those of a taxi company.
func table(last string) string {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "%d,2026-11-%02d 08:%02d:00,N,%d,%d,%.2f,%.2f,,0.5,%s\n", i%3, i%30, i%60, i%265, i%7, float64(i)/7, float64(i)/11, last)
	}
	return b.String()
}

func BenchmarkCSV(b *testing.B) {
	for name, data := range map[string]string{"plain": table("x"), "quoted": table(`"a, b"`)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				c := NewCSV(strings.NewReader(data), 0, -1, usual)
				for c.Next() == nil {
				}
			}
		})
		b.Run(name+" by the standard library", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r := csv.NewReader(strings.NewReader(data))
				r.ReuseRecord = true
				for {
					if _, err := r.Read(); err == io.EOF {
						break
					}
				}
			}
		})
	}
}
