// Command devserver is a Temporal server 1.32.1 with a database in a file of SQLite. It takes those
// flags of the Temporal command's dev server that the benchmark of dmaptemporal sets: the newest
// command that the Go module proxy builds has server 1.29, which has no standalone activities.
//
// It is a module of its own, which go.work does not name: the server needs another version of
// Temporal's API than the SDK of dmaptemporal, and compiles for minutes. make bench-standalone
// builds it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

// pragmas are a flag that may be given several times.
type pragmas map[string]string

func (p pragmas) String() string { return "" }

func (p pragmas) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("want NAME=VALUE")
	}
	p[name] = value
	return nil
}

func main() {
	s := settings{pragmas: pragmas{}}
	flags := flag.NewFlagSet("server start-dev", flag.ExitOnError)
	flags.StringVar(&s.ip, "ip", "127.0.0.1", "address of all services")
	flags.IntVar(&s.port, "port", 7233, "port of the frontend")
	flags.IntVar(&s.metrics, "metrics-port", 0, "port of /metrics; 0: none")
	flags.IntVar(&s.pprof, "pprof-port", 0, "port of /debug/pprof; 0: none")
	flags.StringVar(&s.database, "db-filename", "temporal.db", "file of the database")
	flags.Var(s.pragmas, "sqlite-pragma", "pragma of SQLite, as NAME=VALUE")
	flags.Bool("headless", true, "there is no page")
	flags.String("log-level", "", "nothing is logged")
	if len(os.Args) < 3 || os.Args[1] != "server" || os.Args[2] != "start-dev" {
		fmt.Fprintln(os.Stderr, "devserver: want server start-dev and flags")
		os.Exit(2)
	}
	_ = flags.Parse(os.Args[3:]) // it exits
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "devserver:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	server, err := s.server()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
	return server.Stop()
}
