// Command api writes the public API of every package that users import as text, one line for each
// identifier, field and method, or prints how it differs from the written text.
//
//	api [-C repository] [-write]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-dmap/dmap/internal/tools/typed"
)

const module = "github.com/go-dmap/dmap"

// folder is where the text lies, below the root of the repository.
var folder = filepath.Join("docs", "api")

func main() {
	root := flag.String("C", ".", "folder of the repository")
	rewrite := flag.Bool("write", false, "write the files instead of comparing them")
	flag.Parse()
	if err := run(*root, *rewrite); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root string, rewrite bool) error {
	texts, err := describeAll(root)
	if err != nil {
		return err
	}
	if rewrite {
		return write(filepath.Join(root, folder), texts)
	}
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := write(dir, texts); err != nil {
		return err
	}
	return diff(filepath.Join(root, folder), dir)
}

// describeAll returns the text of every importable package, of all modules of the repository, by
// the name of its file.
func describeAll(root string) (map[string]string, error) {
	modules, err := modules(root)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, dir := range modules {
		packages, err := typed.Load(dir, "./...")
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if importable(p) {
				name, _ := strings.CutPrefix(p.Path, module+"/")
				texts[filepath.FromSlash(name)+".txt"] = describe(p.Types)
			}
		}
	}
	return texts, nil
}

// modules returns the folders of all modules from which users may import a package.
func modules(root string) ([]string, error) {
	cmd := exec.Command("git", "ls-files", "--", "go.mod", "**/go.mod")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files in %s: %w", root, err)
	}
	var dirs []string
	for _, path := range strings.Fields(string(out)) {
		if dir := filepath.Dir(path); !private(filepath.ToSlash(dir)) {
			dirs = append(dirs, filepath.Join(root, dir))
		}
	}
	return dirs, nil
}

func importable(p *typed.Package) bool { return p.Name != "main" && !private(p.Path) }

// private reports whether users cannot import the packages below a path, or have no reason to.
func private(path string) bool {
	elements := strings.Split(path, "/")
	return slices.Contains(elements, "internal") || slices.Contains(elements, "examples")
}

// write replaces all text files below dir.
func write(dir string, texts map[string]string) error {
	old, err := files(dir)
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(texts[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func files(dir string) (paths []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".txt" {
			paths = append(paths, path)
		}
		return err
	})
	return paths, err
}

// diff prints how the written files differ from the new ones.
func diff(written, now string) error {
	if err := os.MkdirAll(written, 0o755); err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := exec.Command("git", "--no-pager", "diff", "--no-index", "--no-color", "-U0", "--", written, now)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "index ") && !strings.HasPrefix(line, "@@") && !strings.HasPrefix(line, "diff ") {
			fmt.Print(strings.ReplaceAll(line, "b"+now, "now"))
		}
	}
	return fmt.Errorf("the public API differs from %s: run make api, and name the change in CHANGELOG.md", folder)
}
