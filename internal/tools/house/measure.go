package main

import (
	"strings"

	"github.com/go-dmap/dmap/internal/tools/typed"
)

const module = "github.com/go-dmap/dmap"

// measure takes all numbers of the repository at root.
func measure(root string) (numbers, error) {
	packages, err := typed.Load(root, "./...")
	if err != nil {
		return nil, err
	}
	n := numbers{}
	for _, p := range packages {
		if err := measurePackage(p, n); err != nil {
			return nil, err
		}
	}
	files, err := tracked(root, "*.go", "*.md")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := measureFile(root, f, n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// measurePackage adds the numbers of one package. Programs are measured by their text only.
func measurePackage(p *typed.Package, n numbers) error {
	name, ok := strings.CutPrefix(p.Path, module+"/")
	if !ok || p.Name == "main" {
		return nil
	}
	if !strings.HasPrefix(name, "internal/") {
		n["exported/"+name] = exported(p.Types)
	}
	if c := largestCircle(p); c.files > 1 {
		n["circle/"+name+"/files"] = c.files
		n["circle/"+name+"/lines"] = c.lines
	}
	if name != "dmap" {
		return nil
	}
	e, err := measureStruct(p.Types, "engine")
	if err != nil {
		return err
	}
	n["engine/fields"] = e.fields
	n["engine/methods"] = e.methods
	n["engine/fields-that-hold-it"] = e.holders
	return nil
}
