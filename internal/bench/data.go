package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// file returns the name of the report's data and charts, without extension.
func (r report) file() string { return strings.ReplaceAll(r.Table, "/", "-") }

// save writes the report as JSON into dir.
func (r report) save(dir string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, r.file()+".json"), append(data, '\n'))
}

// redraw draws the charts of all data in dir.
func redraw(dir, charts string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: no data: want at least one .json file written by -out", dir)
	}
	var errs []error
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var r report
		if err := json.Unmarshal(data, &r); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		errs = append(errs, r.draw(charts))
	}
	return errors.Join(errs...)
}

func write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
