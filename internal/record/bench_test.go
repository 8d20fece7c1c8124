package record

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-dmap/dmap/internal/usage"
)

// taxiRows returns rows like those of taxi trip data: 19 columns, no quotes.
func taxiRows(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,2026-11-%02d 08:%02d:00,2026-11-%02d 08:%02d:41,%d,%.2f,1,N,%d,%d,%d,%.2f,0.5,0.5,%.2f,0,0.3,%.2f,2.5,\n",
			i%2+1, i%30+1, i%60, i%30+1, i%60, i%5, float64(i%3000)/97, i%265, i*7%265, i%4, float64(i%9000)/97, float64(i%700)/91, float64(i%9999)/79)
	}
	return b.String()
}

// inventoryRows returns rows like those of an S3 inventory with all optional fields. Every field
// is quoted.
func inventoryRows(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"some-bucket","data/2026/11/%02d/part-%08d.parquet","","true","false","%d","2026-11-%02dT08:%02d:00.000Z","%032x",`+
			`"STANDARD","false","","SSE-S3","","","","","DISABLED","CRC64NVME"`+"\n",
			i%30+1, i, i*7919%100_000_000, i%30+1, i%60, i*104729)
	}
	return b.String()
}

// perCPU runs f as a benchmark over size bytes, and reports MB per CPU second: the metric that
// other load on the machine disturbs least.
func perCPU(b *testing.B, size int, f func()) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := usage.Now()
	for b.Loop() {
		f()
	}
	spent := usage.Now().CPU - before.CPU
	b.ReportMetric(float64(size)*float64(b.N)/1e6/spent.Seconds(), "MB/CPU-s")
}

func BenchmarkCSV(b *testing.B) {
	for _, rows := range []struct{ name, data string }{
		{"taxi", taxiRows(50_000)}, {"inventory", inventoryRows(30_000)},
		{"taxi with CRLF", strings.ReplaceAll(taxiRows(50_000), "\n", "\r\n")}, {"some quotes", strings.ReplaceAll(taxiRows(50_000), ",N,", `,"a, b",`)},
	} {
		b.Run(rows.name+"/record", func(b *testing.B) {
			perCPU(b, len(rows.data), func() {
				c := NewCSV(strings.NewReader(rows.data), 0, -1, usual)
				for c.Next() == nil {
				}
			})
		})
		b.Run(rows.name+"/standard library", func(b *testing.B) {
			perCPU(b, len(rows.data), func() {
				r := csv.NewReader(strings.NewReader(rows.data))
				r.ReuseRecord = true
				for {
					if _, err := r.Read(); err == io.EOF {
						break
					}
				}
			})
		})
	}
}

func jsonValues(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf(`{"id":"evt_%08x","type":"order.paid","user":%d,"ok":true,"amount":%d.25,"tags":["eu","a \"b\""],"geo":{"lat":%d.5,"lon":-3.25}}`,
			i*7919, i*104729, i%977, i%90)
	}
	return values
}

func BenchmarkLines(b *testing.B) {
	data := strings.Join(jsonValues(50_000), "\n")
	perCPU(b, len(data), func() {
		l := NewLines(strings.NewReader(data), 0, -1, 1<<20)
		for l.Next() == nil {
		}
	})
}

func BenchmarkArray(b *testing.B) {
	data := "[" + strings.Join(jsonValues(50_000), ",\n") + "]"
	b.Run("record", func(b *testing.B) {
		perCPU(b, len(data), func() {
			a := NewArray(strings.NewReader(data), 0, -1, 1<<20)
			for a.Next() == nil {
			}
		})
	})
	b.Run("standard library", func(b *testing.B) {
		perCPU(b, len(data), func() {
			d := json.NewDecoder(strings.NewReader(data))
			_, _ = d.Token()
			for d.More() {
				var raw json.RawMessage
				if err := d.Decode(&raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
