package progress

import (
	"cmp"
	"strings"

	"github.com/go-dmap/dmap/internal/watch"
)

// barText is a bar with its parts in numbers, which add up, for a terminal of some columns.
func barText(p *watch.Progress, columns int) string {
	parts := make([]string, 0, len(p.Parts))
	for _, part := range p.Parts {
		if part.Items > 0 {
			parts = append(parts, watch.Count(part.Items)+" "+part.Name)
		}
	}
	text := "[" + bar(p, min(24, max(8, columns/6))) + "] " + p.Text
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// bar draws the parts of p in columns columns: '#' succeeded, 'x' failed, '~' skipped and held, '>'
// in flight, '.' the rest. A part that has items has a column, as long as there are enough. While
// the source is read the end of the bar is open.
func bar(p *watch.Progress, columns int) string {
	signs := map[string]byte{"succeeded": '#', "failed": 'x', "skipped": '~', "held": '~', "in flight": '>'}
	widths := shares(p, columns)
	var b strings.Builder
	for i, part := range p.Parts {
		sign, known := signs[part.Name]
		if !known {
			sign = '.'
		}
		b.WriteString(strings.Repeat(string(sign), widths[i]))
	}
	for b.Len() < columns {
		b.WriteByte('.')
	}
	out := b.String()
	if p.AtLeast {
		out = out[:columns-1] + "?"
	}
	return out
}

// shares divides columns among the parts of p, by the largest remainders. A part with items has at
// least one; the widest part gives it.
func shares(p *watch.Progress, columns int) []int {
	widths, rests := make([]int, len(p.Parts)), make([]float64, len(p.Parts))
	var total float64
	for _, part := range p.Parts {
		total += float64(max(0, part.Items))
	}
	if total == 0 {
		return widths
	}
	left := columns
	for i, part := range p.Parts {
		if part.Items <= 0 {
			continue
		}
		exact := float64(part.Items) / total * float64(columns)
		widths[i] = max(1, int(exact))
		rests[i] = exact - float64(widths[i])
		left -= widths[i]
	}
	for ; left > 0; left-- {
		i := largest(rests)
		widths[i]++
		rests[i]--
	}
	for ; left < 0; left++ {
		widths[largest(widths)]--
	}
	return widths
}

// largest is the position of the largest number.
func largest[N cmp.Ordered](list []N) int {
	at := 0
	for i, n := range list {
		if n > list[at] {
			at = i
		}
	}
	return at
}
