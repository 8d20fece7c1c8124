// Command testrun runs `go test` and shows how far it is: a line for each package as soon as it
// ends, and regularly which tests run. Of what tests print it shows that of failed ones, or
// everything with -v.
//
//	testrun [flags and packages of go test]
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// every is how often testrun says which tests run.
const every = 20 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for reader := bufio.NewReader(stdout); ; {
			line, err := reader.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	r := newReport(os.Stdout, slices.Contains(args, "-v"), time.Now())
	follow(r, lines)
	err = cmd.Wait()
	r.finish(time.Now())
	if err != nil {
		return fmt.Errorf("go test %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// follow feeds the report until there are no more lines.
func follow(r *report, lines <-chan string) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				r.print("%s", line) // not of go test: a test binary that writes to the terminal
				continue
			}
			r.add(e, time.Now())
		case now := <-ticker.C:
			r.progress(now)
		}
	}
}
