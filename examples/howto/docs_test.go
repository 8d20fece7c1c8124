// Package howto has a program for each page of docs/howto, and the tests that hold the
// documentation to the repository.
package howto

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

func TestEveryGuaranteeNamesTestsThatExist(t *testing.T) {
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, match := range declaration.FindAllStringSubmatch(read(t, path), -1) {
			declared[match[1]] = true
		}
		return nil
	}))
	paragraphs := strings.Split(read(t, root+"/docs/guarantees.md"), "\n\n")
	numbered := regexp.MustCompile(`^\*\*(\d+)\. `)
	name := regexp.MustCompile("`(Test\\w+)`")
	guarantees := 0
	var missing []string
	for _, paragraph := range paragraphs {
		names := name.FindAllStringSubmatch(paragraph, -1)
		if number := numbered.FindStringSubmatch(paragraph); number != nil {
			guarantees++
			require.Equal(t, fmt.Sprint(guarantees), number[1], "numbers have no gaps")
			require.NotEmpty(t, names, "guarantee %d names no test", guarantees)
		}
		for _, n := range names {
			if !declared[n[1]] {
				missing = append(missing, n[1])
			}
		}
	}
	require.Empty(t, missing, "docs/guarantees.md names tests that do not exist: were they renamed?")
	require.Contains(t, read(t, root+"/README.md"), fmt.Sprintf("has %d numbered guarantees", guarantees))
}

func TestTheReadmeIsShort(t *testing.T) {
	require.LessOrEqual(t, strings.Count(read(t, root+"/README.md"), "\n"), 150)
}

func TestEveryPageStartsWithALineThatSaysWhatItIsAbout(t *testing.T) {
	for _, page := range pages(t) {
		lines := strings.SplitN(read(t, page), "\n", 4)
		require.Regexp(t, `^# \S`, lines[0], page)
		require.Empty(t, lines[1], page)
		require.NotEmpty(t, lines[2], page)
	}
}

func TestLinksLeadToFilesAndHeadings(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"`)
	files := append(pages(t), root+"/README.md", root+"/DESIGN.md", root+"/CHANGELOG.md", root+"/docs/llms.txt")
	for _, page := range files {
		for _, match := range link.FindAllStringSubmatch(withoutCode(read(t, page)), -1) {
			target := match[1] + match[2]
			if strings.Contains(target, "://") {
				continue
			}
			path, heading, _ := strings.Cut(target, "#")
			file := page
			if path != "" {
				file = filepath.Join(filepath.Dir(page), path)
			}
			_, err := os.Stat(file)
			require.NoError(t, err, "%s links to %s", page, target)
			if heading != "" {
				require.Contains(t, anchors(read(t, file)), heading, "%s links to %s", page, target)
			}
		}
	}
}

// Every how-to page names one program; the Go code that it shows is the program's, line by line;
// and there is no program without a page.
func TestHowToPagesShowTheirPrograms(t *testing.T) {
	const prefix = "go (?:run|test) ./"
	command := regexp.MustCompile(prefix + `(examples/[\w/]+)`)
	shown := map[string]bool{}
	howto, err := filepath.Glob(root + "/docs/howto/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, howto)
	for _, page := range howto {
		text := read(t, page)
		match := command.FindStringSubmatch(text)
		require.NotNil(t, match, "%s names no program", page)
		shown[filepath.Base(match[1])] = true
		sources, err := filepath.Glob(filepath.Join(root, match[1], "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, sources, "%s names %s", page, match[1])
		lines := map[string]bool{}
		for _, source := range sources {
			for line := range strings.SplitSeq(read(t, source), "\n") {
				lines[strings.TrimSpace(line)] = true
			}
		}
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for line := range strings.SplitSeq(block[1], "\n") {
				require.True(t, lines[strings.TrimSpace(line)], "%s shows a line that is not in %s: %s", page, match[1], line)
			}
		}
	}
	programs, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	for _, program := range programs {
		require.True(t, shown[filepath.Dir(program)], "no page of docs/howto shows examples/howto/%s", program)
	}
}

// pages returns the Markdown files of docs.
func pages(t *testing.T) []string {
	t.Helper()
	top, err := filepath.Glob(root + "/docs/*.md")
	require.NoError(t, err)
	howto, err := filepath.Glob(root + "/docs/howto/*.md")
	require.NoError(t, err)
	return slices.Concat(top, howto)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// withoutCode leaves out fenced blocks and code in backticks, where brackets are no links.
func withoutCode(text string) string {
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	return regexp.MustCompile("`[^`]*`").ReplaceAllString(text, "")
}

// anchors returns the names that GitHub gives the headings of a page.
func anchors(text string) (names []string) {
	dropped := regexp.MustCompile(`[^\p{L}\p{N}\- ]`)
	for line := range strings.SplitSeq(withoutCode(text), "\n") {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			names = append(names, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(title), ""), " ", "-"))
		}
	}
	return names
}

// Every exported error of a package that users call is on the page of errors, and the page names no
// other.
func TestThePageOfErrorsNamesThemAll(t *testing.T) {
	page := read(t, root+"/docs/errors.md")
	declared := map[string]bool{}
	value := regexp.MustCompile(`(?m)^(?:var )?\t?(Err[A-Z]\w*)\s*=`)
	typed := regexp.MustCompile(`(?m)^type ([A-Z]\w*Error) struct`)
	for _, dir := range []string{"dmap", "sink", "sink/results", "source"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			code := read(t, file)
			for _, m := range value.FindAllStringSubmatch(code, -1) {
				declared["`"+filepath.Base(dir)+"."+m[1]+"`"] = true
			}
			for _, m := range typed.FindAllStringSubmatch(code, -1) {
				declared["`*"+filepath.Base(dir)+"."+m[1]+"`"] = true
			}
		}
	}
	require.Greater(t, len(declared), 20)
	for name := range declared {
		require.Contains(t, page, name, "docs/errors.md")
	}
	for _, name := range regexp.MustCompile("`\\*?(?:dmap|sink|results|source)\\.(?:Err\\w+|\\w+Error)`").FindAllString(page, -1) {
		require.True(t, declared[name], "docs/errors.md names %s, which does not exist", name)
	}
}
