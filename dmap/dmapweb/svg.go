package dmapweb

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/go-dmap/dmap/internal/watch"
)

// The charts of a report, as SVG without scripts.

// Size of a chart, in user units.
const (
	chartWidth  = 720.0
	chartHeight = 120.0
)

// curve is one line of a chart.
type curve struct {
	class string // of the style sheet
	value func(*watch.Point) float64
}

// chart draws curves over the time of a series. unit formats the highest value.
func chart(s *watch.Series, marks []watch.Mark, unit func(float64) string, curves ...curve) template.HTML {
	if len(s.Points) == 0 || s.Until <= 0 {
		return ""
	}
	highest := 0.0
	for i := range s.Points {
		for _, c := range curves {
			highest = max(highest, c.value(&s.Points[i]))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" preserveAspectRatio="none">`, chartWidth, chartHeight)
	for _, m := range marks {
		x := m.At.Sub(s.Start).Seconds() / s.Until * chartWidth
		if x >= 0 && x <= chartWidth {
			fmt.Fprintf(&b, `<line class="mark" x1="%.1f" x2="%.1f" y1="0" y2="%.0f"><title>%s</title></line>`,
				x, x, chartHeight, template.HTMLEscapeString(m.Text))
		}
	}
	for _, c := range curves {
		fmt.Fprintf(&b, `<polyline class="%s" points="`, c.class)
		for i := range s.Points {
			p := &s.Points[i]
			y := chartHeight
			if highest > 0 {
				y -= c.value(p) / highest * (chartHeight - 4)
			}
			fmt.Fprintf(&b, "%.1f,%.1f ", (p.At+p.Seconds/2)/s.Until*chartWidth, y)
		}
		b.WriteString(`"/>`)
	}
	b.WriteString(`</svg>`)
	fmt.Fprintf(&b, `<p class="scale">highest: %s</p>`, template.HTMLEscapeString(unit(highest)))
	return template.HTML(b.String()) //nolint:gosec // numbers, and texts that are escaped
}

// bar draws the parts of a run.
func bar(p *watch.Progress) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f 16" role="img" preserveAspectRatio="none">`, chartWidth)
	x := 0.0
	for _, part := range p.Parts {
		if part.Items <= 0 || p.Total <= 0 {
			continue
		}
		width := float64(part.Items) / float64(p.Total) * chartWidth
		fmt.Fprintf(&b, `<rect class="part-%s" x="%.2f" width="%.2f" height="16"><title>%s %s</title></rect>`,
			strings.ReplaceAll(part.Name, " ", "-"), x, max(width, 0.5), watch.Count(part.Items), part.Name)
		x += width
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and our own names
}

// byteText formats a number of bytes: "812 B", "1.4 MiB".
func byteText(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/(1<<10), 0
	for v >= 1024 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %s", v, []string{"KiB", "MiB", "GiB", "TiB", "PiB"}[unit])
}
