package main

import "fmt"

const (
	plotLeft, plotRight = 60, chartWidth - 20
	plotTop, plotBottom = titleSpace + 24, 320
)

// lines draws the memory of the cases over their items. It returns nil if no case reported any.
func (r report) lines(p palette) []byte {
	var maxUnits, maxMiB float64
	drawn := 0
	for _, c := range r.Cases {
		for _, at := range seriesOf(c) {
			maxUnits, maxMiB = max(maxUnits, float64(at.Units)), max(maxMiB, mib(at))
			drawn = 1
		}
	}
	if drawn == 0 || maxUnits == 0 || maxMiB == 0 {
		return nil
	}
	maxMiB = roundUp(maxMiB)
	svg := newSVG(chartWidth, plotBottom+60, p, r.What, r.Table+": resident memory in MiB over millions of items done")
	for tick := range 5 {
		y := plotBottom - float64(tick)/4*(plotBottom-plotTop)
		fmt.Fprintf(svg, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s"/>`+"\n", plotLeft, y, plotRight, y, p.line)
		svg.text(plotLeft-8, y+4, "end", 11, "normal", p.faint, short(maxMiB*float64(tick)/4))
		x := plotLeft + float64(tick)/4*(plotRight-plotLeft)
		svg.text(x, plotBottom+18, "middle", 11, "normal", p.faint, short(maxUnits*float64(tick)/4/1e6))
	}
	next, legend := 0, float64(plotLeft)
	for _, c := range r.Cases {
		series := seriesOf(c)
		if len(series) == 0 {
			continue
		}
		color := p.lines[next%len(p.lines)]
		next++
		fmt.Fprintf(svg, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, color)
		for _, at := range series {
			fmt.Fprintf(svg, "%.1f,%.1f ", plotLeft+float64(at.Units)/maxUnits*(plotRight-plotLeft),
				plotBottom-mib(at)/maxMiB*(plotBottom-plotTop))
		}
		fmt.Fprintln(svg, `"/>`)
		fmt.Fprintf(svg, `<rect x="%.1f" y="%d" width="12" height="4" fill="%s"/>`+"\n", legend, titleSpace+2, color)
		svg.text(legend+18, titleSpace+8, "start", 12, "normal", p.text, c.Name)
		legend += 18 + charWidth*float64(len(c.Name)) + 24
	}
	svg.text(12, plotBottom+46, "start", 11, "normal", p.faint, r.footer())
	return svg.end()
}

// seriesOf returns the series of the last round.
func seriesOf(c reportCase) []point {
	if c.Failure != "" || len(c.Runs) == 0 {
		return nil
	}
	return c.Runs[len(c.Runs)-1].Series
}

func mib(at point) float64 { return float64(at.Resident) / (1 << 20) }

// roundUp returns the next number that four grid lines divide evenly.
func roundUp(f float64) float64 {
	step := 4.0
	for step*10 < f {
		step *= 10
	}
	for _, by := range []float64{1, 2, 5, 10} {
		if step*by >= f {
			return step * by
		}
	}
	return step * 10
}
