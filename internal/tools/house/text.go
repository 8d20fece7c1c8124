package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	maxColumns = 100 // of a line that holds only a comment; a tab counts as 4
	maxLines   = 500 // of a file that is no test
)

//go:embed phrases.txt
var phraseFile string

type phrase struct {
	name    string
	pattern *regexp.Regexp
}

var phrases = parsePhrases(phraseFile)

func parsePhrases(text string) []phrase {
	var all []phrase
	for line := range strings.Lines(text) {
		if name, pattern, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			all = append(all, phrase{name, regexp.MustCompile(pattern)})
		}
	}
	return all
}

// tracked returns the files that git knows, by their path below root.
func tracked(root string, patterns ...string) ([]string, error) {
	cmd := exec.Command("git", append([]string{"ls-files", "-z", "--deduplicate", "--"}, patterns...)...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files in %s: %w", root, err)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

// measureFile adds the numbers of the text of one file.
func measureFile(root, path string, n numbers) error {
	text, err := os.ReadFile(filepath.Join(root, path))
	if os.IsNotExist(err) {
		return nil // deleted, and not yet committed
	} else if err != nil {
		return err
	}
	test := strings.HasSuffix(path, "_test.go")
	if !test {
		countPhrases(text, n)
	}
	if !strings.HasSuffix(path, ".go") {
		return nil
	}
	wide, err := wideComments(path, text)
	if err != nil {
		return err
	}
	if test {
		n["comment-lines-over-100-columns/tests"] += wide
		return nil
	}
	n["comment-lines-over-100-columns/code"] += wide
	if bytes.Count(text, []byte("\n")) > maxLines {
		n["files-over-500-lines"]++
	}
	return nil
}

func countPhrases(text []byte, n numbers) {
	for _, p := range phrases {
		n["phrases/"+p.name] += len(p.pattern.FindAll(text, -1))
	}
}

// wideComments returns the number of lines that hold only a comment and are wider than maxColumns.
// A directive such as //go:build, and an Output comment of an example, cannot be broken and do not
// count.
func wideComments(path string, text []byte) (int, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return 0, err
	}
	lines := strings.Split(string(text), "\n")
	wide := 0
	for _, group := range file.Comments {
		if isOutput(group.Text()) {
			continue
		}
		first, last := set.Position(group.Pos()), set.Position(group.End())
		for i := first.Line; i <= last.Line; i++ {
			line := lines[i-1]
			if i == first.Line && strings.TrimSpace(line[:first.Column-1]) != "" {
				continue // code stands before the comment
			}
			if !directive.MatchString(line) && columns(line) > maxColumns {
				wide++
			}
		}
	}
	return wide, nil
}

var directive = regexp.MustCompile(`^\s*//[a-z]+:`)

func isOutput(comment string) bool {
	return strings.HasPrefix(comment, "Output:") || strings.HasPrefix(comment, "Unordered output:")
}

func columns(line string) int {
	return utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
}
