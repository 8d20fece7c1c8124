package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// config holds the values of the flags.
type config struct {
	n                         int64
	workers, calls            int
	takes                     time.Duration
	dir, run                  string
	http                      string
	temporal, server, workFor string
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&cfg.n, "n", 20_000, "number of `applications`")
	flags.IntVar(&cfg.workers, "workers", 3, "number of worker `processes`")
	flags.IntVar(&cfg.calls, "calls", 60, "maximum number of concurrent `calls` of all workers together")
	flags.DurationVar(&cfg.takes, "takes", 200*time.Millisecond, "`time` of a call: it stands for a slow service")
	flags.StringVar(&cfg.dir, "dir", "", "`folder` of applications and results (default: a temporary folder)")
	flags.StringVar(&cfg.run, "run", "loans", "`ID` of the run; an unfinished run with this ID is resumed (needs -dir)")
	flags.StringVar(&cfg.http, "http", "localhost:8080", "`address` of the page")
	flags.StringVar(&cfg.temporal, "temporal", "", "Temporal `command` (default: that of make temporal-cli, or temporal in PATH)")
	flags.StringVar(&cfg.server, "server", "", "`address` of a Temporal server that runs already (default: a dev server is started)")
	flags.StringVar(&cfg.workFor, "work", "", "work for the Temporal server at this `address` until the standard input ends: the program starts its workers so")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	switch {
	case flags.NArg() > 0:
		return cfg, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case cfg.n < 1 || cfg.workers < 1 || cfg.calls < 1 || cfg.takes < 0:
		return cfg, errors.New("-n, -workers and -calls: want at least 1; -takes: not negative")
	}
	return cfg, nil
}
