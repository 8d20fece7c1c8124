// Command house measures the shape of the repository and compares each number with the recorded
// one. A number above the recorded one is a loss. A number below it is a gain that must be
// recorded, so that it cannot be lost again.
//
//	house [-C repository] [-record]
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("C", ".", "folder of the repository")
	record := flag.Bool("record", false, "write the numbers to the file of recorded ones")
	flag.Parse()
	if err := run(*root, *record); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root string, record bool) error {
	now, err := measure(root)
	if err != nil {
		return err
	}
	path := filepath.Join(root, "internal", "tools", "house", "recorded.txt")
	if record {
		return write(path, now)
	}
	recorded, err := read(path)
	if err != nil {
		return err
	}
	fmt.Print(table(now, recorded))
	return compare(now, recorded)
}
