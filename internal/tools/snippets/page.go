package main

import (
	"fmt"
	"strings"
)

// page is one Markdown file.
type page struct {
	path   string
	blocks []block
}

// block is a Go block of a page, or the declarations of a comment that starts with "go:".
type block struct {
	line   int // of its first line, from 1
	text   string
	hidden bool // declarations from a comment
}

const (
	openComment  = "<!-- go:"
	closeComment = "-->"
	skipMark     = "skip"
)

// parse returns the Go blocks of a page and the hidden declarations between them, in order. A block
// after `<!-- go: skip, because … -->` is left out.
func parse(path, text string) (page, error) {
	p := page{path: path}
	skip := false
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case strings.HasPrefix(line, openComment):
			b, end, err := comment(path, lines, i)
			if err != nil {
				return page{}, err
			}
			if rest, ok := strings.CutPrefix(strings.TrimSpace(b.text), skipMark); ok {
				if skip = true; len(strings.Fields(rest)) < 2 {
					return page{}, fmt.Errorf("%s:%d: give the reason: <!-- go: skip, because … -->", path, i+1)
				}
			} else {
				p.blocks = append(p.blocks, b)
			}
			i = end
		case strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~"):
			b, isGo, end, err := fenced(path, lines, i)
			if err != nil {
				return page{}, err
			}
			if isGo && !skip {
				p.blocks = append(p.blocks, b)
			}
			skip = skip && !isGo
			i = end
		}
	}
	return p, nil
}

// comment returns the declarations of the comment that starts at a line, and its last line.
func comment(path string, lines []string, start int) (block, int, error) {
	// The opening of the comment becomes spaces, so that columns stay.
	text := []string{strings.Replace(lines[start], openComment, strings.Repeat(" ", len(openComment)), 1)}
	for i := start; i < len(lines); i++ {
		if i > start {
			text = append(text, lines[i])
		}
		if before, _, ok := strings.Cut(text[len(text)-1], closeComment); ok {
			text[len(text)-1] = before
			return block{line: start + 1, text: strings.Join(text, "\n"), hidden: true}, i, nil
		}
	}
	return block{}, 0, fmt.Errorf("%s:%d: the comment has no end", path, start+1)
}

// fenced returns the block whose fence is at a line, whether it is Go, and the line of its closing
// fence. A fence in a list is indented, and its block too.
func fenced(path string, lines []string, start int) (b block, isGo bool, end int, err error) {
	fence := strings.TrimLeft(lines[start], " \t")
	indent := lines[start][:len(lines[start])-len(fence)]
	info := strings.TrimLeft(fence, fence[:1])
	mark := fence[:len(fence)-len(info)]
	language, _, _ := strings.Cut(strings.TrimSpace(info), " ")
	var text []string
	for i := start + 1; i < len(lines); i++ {
		if closing := strings.TrimSpace(lines[i]); strings.HasPrefix(closing, mark) && strings.Trim(closing, mark[:1]) == "" {
			return block{line: start + 2, text: strings.Join(text, "\n")}, language == "go" || language == "golang", i, nil
		}
		text = append(text, strings.TrimPrefix(lines[i], indent))
	}
	return block{}, false, 0, fmt.Errorf("%s:%d: the block has no end", path, start+1)
}
