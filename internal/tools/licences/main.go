// Command licences prints the licence of each module that packages link, and fails on one that it
// does not know or that is not allowed.
//
//	licences dir...   # modules of the repository, with the versions of their own go.mod
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// module is a linked module and the folder of its source.
type module struct{ path, version, dir string }

func run(dirs []string) error {
	if len(dirs) == 0 {
		return errors.New("licences: name the folders of modules")
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var wrong []error
	seen := map[module]bool{}
	for _, dir := range dirs {
		modules, err := linked(dir)
		if err != nil {
			return err
		}
		for _, m := range modules {
			if seen[m] {
				continue
			}
			seen[m] = true
			name, err := licenceOf(m.dir)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s@%s: %w", m.path, m.version, err))
				name = "?"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", name, m.path, m.version)
		}
	}
	return errors.Join(append(wrong, w.Flush())...)
}

// linked returns the modules that the packages of the module in dir link, except the repository's
// own, without tests.
func linked(dir string) (modules []module, err error) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if .Version}}{{.Path}}\t{{.Version}}\t{{.Replace}}\t{{.Dir}}{{end}}{{end}}", "./...")
	list.Dir = dir
	list.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: go list: %w\n%s", dir, err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		fields := strings.Split(line, "\t")
		if len(fields) != 4 || strings.HasPrefix(fields[2], "../") || strings.HasPrefix(fields[2], "./") {
			continue // a folder of the repository
		}
		modules = append(modules, module{fields[0], fields[1], fields[3]})
	}
	return modules, nil
}

// licenceOf returns the names of the licences in a folder.
func licenceOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() || !isLicenceFile(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", err
		}
		name, err := classify(string(text))
		if err != nil {
			return "", fmt.Errorf("%s: %w", entry.Name(), err)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "", errors.New("no licence file in its folder")
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", "), nil
}

func isLicenceFile(name string) bool {
	name = strings.ToLower(name)
	stem, _, _ := strings.Cut(name, ".")
	return !strings.HasSuffix(name, ".go") && slices.Contains([]string{"license", "licence", "copying", "unlicense"}, strings.Split(stem, "-")[0])
}

// known are the allowed licences and sentences that only their texts have, without spaces and case.
// The first whose sentences are all there is the one.
func known() []licence {
	return []licence{
		{"Apache-2.0", []string{"apache license", "version 2.0, january 2004"}},
		{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "neither the name"}},
		{"BSD-2-Clause", []string{"redistribution and use in source and binary forms", "this list of conditions"}},
		{"MIT", []string{"permission is hereby granted, free of charge", "the software is provided \"as is\""}},
		{"ISC", []string{"permission to use, copy, modify, and", "with or without fee is hereby granted"}},
	}
}

type licence struct {
	name      string
	sentences []string
}

// refused are the words of licences with further conditions, which may stand beside an allowed one.
func refused() []string {
	return []string{
		"gnu general public license", "gnu affero", "gnu lesser", "mozilla public license", "server side public license",
		"business source license", "commons clause", "creative commons", "non-commercial", "noncommercial",
	}
}

func classify(text string) (string, error) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, word := range refused() {
		if strings.Contains(text, word) {
			return "", fmt.Errorf("it mentions %q: a person must read it", word)
		}
	}
	var names []string
	for _, l := range known() {
		all := !slices.ContainsFunc(l.sentences, func(s string) bool { return !strings.Contains(text, s) })
		if all && !(l.name == "BSD-2-Clause" && slices.Contains(names, "BSD-3-Clause")) {
			names = append(names, l.name)
		}
	}
	if len(names) == 0 {
		return "", errors.New("an unknown licence: a person must read it, and add it to internal/tools/licences if it is allowed")
	}
	return strings.Join(names, ", "), nil
}
