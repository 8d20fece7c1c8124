package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// installed returns the folder of a program that is installed once per machine. If the folder has
// no file `program`, it calls install, which fills a new folder.
func installed(name, program string, install func(dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	all := filepath.Join(cache, "go-dmap")
	dir := filepath.Join(all, strings.ReplaceAll(name, " ", "_"))
	if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(all, 0o755); err != nil {
		return "", err
	}
	build, err := os.MkdirTemp(all, "build-") // beside the target: the rename below must not cross a file system
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(build) }()
	fmt.Fprintf(os.Stderr, "e2e: installing %s into %s, once: about 2 minutes\n", name, dir)
	if err := install(build); err != nil {
		return "", err
	}
	if err := os.Chmod(build, 0o755); err != nil {
		return "", err
	}
	// Concurrent installations each rename a complete folder; the first one remains.
	if err := os.Rename(build, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, program)); there == nil {
			return dir, nil
		}
		return "", err
	}
	return dir, nil
}

// goProgram returns the path of the binary of a Go command, and builds it if it is not in the
// cache.
func goProgram(module, version string) (string, error) {
	program := module[strings.LastIndexByte(module, '/')+1:]
	name := fmt.Sprintf("%s@%s-%s-%s-%s", program, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	dir, err := installed(name, program, func(dir string) error {
		install := exec.Command("go", "install", module+"@"+version)
		install.Dir = dir // outside this Go workspace
		install.Env = append(os.Environ(), "GOBIN="+dir, "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOOS=", "GOARCH=")
		if out, err := install.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w (the first run needs the go command and a module proxy)\n%s", install, err, out)
		}
		return nil
	})
	return filepath.Join(dir, program), err
}
