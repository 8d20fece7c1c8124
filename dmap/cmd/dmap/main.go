// Command dmap looks at the runs of a results bucket: it lists them, shows one, prints its failures
// by group, exports them, and serves the page of runs. It only reads, and it needs nothing but the
// bucket: the program that made the runs may work, have ended or have crashed.
//
//	dmap runs ./results
//	dmap show ./results                    # the newest run
//	dmap failures s3://results nightly-26  # why its items failed
//	dmap export -o failed.csv s3://results nightly-26
//
// A redrive needs the function of the run, so the command has none: set Options.Redrive in the
// program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	_ "gocloud.dev/blob/azureblob"
	_ "gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob"

	"github.com/go-dmap/dmap/sink/results"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1 // the bucket or the run could not be read, or the output not be written
	exitUsage = 2 // wrong arguments
	exitNoRun = 3 // there is no such run
	exitState = 4 // show -check: the run has not succeeded
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command is one of the commands.
type command struct {
	name, args, does string
	run              func(ctx context.Context, c *call) error
}

func commands() []command {
	return []command{
		{"runs", "[flags] <bucket>", "list the runs, the newest first", listRuns},
		{"show", "[flags] <bucket> [run]", "say how a run stands and why", showRun},
		{"failures", "[flags] <bucket> [run]", "print the failures of a run by group, with samples", printFailures},
		{"export", "[flags] <bucket> [run]", "write the failed items as CSV or JSON lines", exportFailures},
		{"serve", "[flags] <bucket>", "serve the page of the runs on this machine", servePage},
	}
}

// usageError is a fault of the arguments.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func badUsage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errState is the result of show -check for a run that has not succeeded.
var errState = errors.New("the run has not succeeded")

// run is the program without its process. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printUsage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		printUsage(stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return exitCode(stderr, c.name, execute(ctx, c, args[1:], stdout, stderr))
		}
	}
	fmt.Fprintf(stderr, "dmap: there is no command %q: see dmap help\n", args[0])
	return exitUsage
}

// exitCode prints err and returns its exit code.
func exitCode(stderr io.Writer, name string, err error) int {
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errState):
		return exitState
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "dmap %s: %s: see dmap %s -h\n", name, printable(usage.text), name)
		return exitUsage
	}
	fmt.Fprintf(stderr, "dmap %s: %s\n", name, printable(err.Error()))
	if errors.Is(err, results.ErrNoRun) {
		return exitNoRun
	}
	return exitError
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "dmap looks at the runs of a results bucket. It only reads.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  dmap %-8s %-23s  %s\n", c.name, c.args, c.does)
	}
	fmt.Fprint(w, `
<bucket> is a folder, or a URL: s3://name?region=eu-west-1, gs://name, azblob://name, file:///folder.
Credentials come from the environment, as those of the tools of the store do. Runs lie below -prefix.
Without a run the newest one is taken. "dmap <command> -h" names the flags.

Exit codes: 0 done, 1 not readable or not writable, 2 wrong arguments, 3 no such run,
4 show -check: the run has not succeeded.
`)
}

// call is one call of a command.
type call struct {
	place
	runID          string // empty: the newest run
	stdout, stderr io.Writer

	json    bool
	check   bool   // show
	limit   int    // runs
	before  string // runs
	group   string // failures, export
	samples int    // failures
	format  string // export
	raw     bool   // export
	inputs  bool   // export
	output  string // export
	addr    string // serve
	hosts   string // serve
}

// execute parses the arguments of a command, opens the bucket, and runs it.
func execute(ctx context.Context, of command, args []string, stdout, stderr io.Writer) error {
	c := &call{stdout: stdout, stderr: stderr}
	flags := c.flags(of)
	positional, err := parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stdout, "dmap %s %s: %s\n\n", of.name, of.args, of.does)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return err
	}
	if err != nil {
		return badUsage("%v", err)
	}
	most := 1 + strings.Count(of.args, "[run]")
	switch {
	case len(positional) == 0:
		return badUsage("the bucket is missing")
	case len(positional) > most:
		return badUsage("%q is one argument too many", positional[most])
	case len(positional) == 2:
		c.runID = positional[1]
	}
	if err := c.place.open(ctx, positional[0]); err != nil {
		return err
	}
	defer c.bucket.Close()
	return of.run(ctx, c)
}

// parse parses flags before, between and after the other arguments, which it returns.
func parse(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if args = flags.Args(); len(args) == 0 {
			return positional, nil
		}
		positional = append(positional, args[0])
		args = args[1:]
	}
}

func (c *call) flags(of command) *flag.FlagSet {
	f := flag.NewFlagSet(of.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&c.prefix, "prefix", usualPrefix, "`prefix` of the runs in the bucket, as sink.Bucket got it")
	switch of.name {
	case "runs":
		f.BoolVar(&c.json, "json", false, "print one JSON object a line")
		f.IntVar(&c.limit, "n", 20, "list at most `n` runs, up to 1,000")
		f.StringVar(&c.before, "before", "", "list the runs before this `run`, for the next page")
	case "show":
		f.BoolVar(&c.json, "json", false, "print one JSON object")
		f.BoolVar(&c.check, "check", false, "exit with code 4 unless the run has ended with success")
	case "failures":
		f.BoolVar(&c.json, "json", false, "print one JSON object a line: a group, or a failed item with -group")
		f.StringVar(&c.group, "group", "", "print all failed items of the group with this `ID`")
		f.IntVar(&c.samples, "samples", 1, "print `n` samples of each group, up to 3")
	case "export":
		f.StringVar(&c.format, "format", "", "`csv` or jsonl; empty: by the name of the file, otherwise csv")
		f.StringVar(&c.group, "group", "", "only the failed items of the group with this `ID`")
		f.StringVar(&c.output, "o", "", "`file` to create; empty: standard output")
		f.BoolVar(&c.inputs, "inputs", false, "with the values of the items, which may be personal data")
		f.BoolVar(&c.raw, "raw", false, "for programs: CSV cells that a spreadsheet takes for formulas have no ' before them")
	case "serve":
		f.StringVar(&c.addr, "addr", "localhost:8080", "`address` to listen on")
		f.StringVar(&c.hosts, "hosts", "", "further host `names` by which the page is reached, with commas")
	}
	return f
}
