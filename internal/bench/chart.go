package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"unicode/utf8"
)

// palette holds the colours of a chart. The background is that of the page.
type palette struct {
	text, faint, line string
	bar, ours         string
	lines             []string // colours of a line chart, ours first
}

// The colours are those of GitHub's pages, on which the text is readable.
var palettes = map[string]palette{
	"light": {"#1f2328", "#59636e", "#d1d9e0", "#afb8c1", "#0969da", []string{"#0969da", "#bc4c00", "#1a7f37", "#8250df", "#59636e"}},
	"dark":  {"#f0f6fc", "#9198a1", "#3d444d", "#656c76", "#4493f8", []string{"#4493f8", "#db6d28", "#3fb950", "#ab7df8", "#9198a1"}},
}

const (
	chartWidth = 800
	rowHeight  = 26
	barHeight  = 18
	titleSpace = 58
	valueSpace = 130 // right of the longest bar
	charWidth  = 8.0 // average width of a character, to compute the space for names on the left
)

// draw writes the charts of a report: bars of its first column, and lines of the memory over time.
func (r report) draw(dir string) error {
	for name, p := range palettes {
		if err := write(filepath.Join(dir, r.file()+"-"+name+".svg"), r.bars(p)); err != nil {
			return err
		}
		lines := r.lines(p)
		if lines == nil {
			continue
		}
		if err := write(filepath.Join(dir, r.file()+"-time-"+name+".svg"), lines); err != nil {
			return err
		}
	}
	return nil
}

// bars draws the first column as horizontal bars from zero.
func (r report) bars(p palette) []byte {
	var longest float64
	var left float64
	rows := 0
	for _, c := range r.Cases {
		if c.Failure != "" {
			continue
		}
		rows++
		longest = max(longest, c.Medians[0])
		left = max(left, charWidth*float64(utf8.RuneCountInString(c.Name))+16)
	}
	column := r.Columns[0]
	svg := newSVG(chartWidth, titleSpace+rows*rowHeight+30, p, r.What, r.Table+": "+column.Name+", "+better(column.More))
	y := titleSpace
	for _, c := range r.Cases {
		if c.Failure != "" {
			continue
		}
		color := p.bar
		weight := "normal"
		if c.Ours {
			color, weight = p.ours, "bold"
		}
		length := 0.0
		if longest > 0 {
			length = c.Medians[0] / longest * (chartWidth - left - valueSpace)
		}
		middle := float64(y) + barHeight/2 + 4.5
		svg.text(left-8, middle, "end", 13, weight, p.text, c.Name)
		fmt.Fprintf(svg, `<rect x="%.1f" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`+"\n", left, y, max(length, 1), barHeight, color)
		svg.text(left+length+8, middle, "start", 13, weight, p.text, r.value(c))
		y += rowHeight
	}
	svg.text(12, float64(y)+16, "start", 11, "normal", p.faint, r.footer())
	return svg.end()
}

func better(more bool) string {
	if more {
		return "more is better"
	}
	return "less is better"
}

func (r report) value(c reportCase) string {
	value := fmt.Sprintf("%.*f", r.Columns[0].Digits, c.Medians[0])
	if c.Ratio == 0 || c.Name == r.Base {
		return value
	}
	return fmt.Sprintf("%s  (%.2fx)", value, c.Ratio)
}

func (r report) footer() string {
	atOnce := fmt.Sprintf("%d calls at once, ", r.Concurrency)
	if r.Varies {
		atOnce = ""
	}
	return fmt.Sprintf("%d %ss, %s%s, %s, %s, %s", r.N, r.Unit, atOnce, medianOf(r.Rounds), r.Machine, r.Go, r.Date)
}

func medianOf(rounds int) string {
	if rounds == 1 {
		return "one round"
	}
	return fmt.Sprintf("median of %d rounds", rounds)
}

// drawing is an SVG document under construction.
type drawing struct{ bytes.Buffer }

func newSVG(width, height int, p palette, title, subtitle string) *drawing {
	d := new(drawing)
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" `+
		`font-family="-apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif">`+"\n", width, height, width, height)
	io.WriteString(d, "<title>")
	d.escape(title)
	io.WriteString(d, "</title>\n")
	d.text(12, 22, "start", 15, "bold", p.text, title)
	d.text(12, 42, "start", 12, "normal", p.faint, subtitle)
	return d
}

func (d *drawing) text(x, y float64, anchor string, size int, weight, color, s string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" font-weight="%s" fill="%s">`, x, y, anchor, size, weight, color)
	d.escape(s)
	io.WriteString(d, "</text>\n")
}

func (d *drawing) escape(s string) {
	// a bytes.Buffer returns no errors
	_ = xml.EscapeText(d, []byte(s))
}

func (d *drawing) end() []byte {
	io.WriteString(d, "</svg>\n")
	return d.Bytes()
}
